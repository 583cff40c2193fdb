/** A sample of a Prometheus text. */
export interface Sample {
  name: string
  labels: Readonly<Record<string, string>>
  value: number
}

/** What `/metrics` of a server says. */
export async function readMetrics(serverUrl: string): Promise<Sample[]> {
  const response = await fetch(new URL('/metrics', serverUrl), { headers: { connection: 'close' }, signal: AbortSignal.timeout(30_000) })
  const text = await response.text()
  if (!response.ok) throw new Error(`GET /metrics: ${response.status} ${text.slice(0, 200)}`)
  return text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    if (name === undefined) return []
    return [
      {
        name,
        labels: Object.fromEntries([...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', label = '']) => [key, label])),
        value: Number(value),
      },
    ]
  })
}

/** The sum of a metric's samples whose labels are these; an error when there is none, for a misspelt name must not read as 0. */
export async function readMetric(serverUrl: string, name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
  const found = (await readMetrics(serverUrl)).filter(
    (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  )
  if (found.length === 0) throw new Error(`${serverUrl} has no metric ${name} ${JSON.stringify(labels)}`)
  return found.reduce((sum, { value }) => sum + value, 0)
}
