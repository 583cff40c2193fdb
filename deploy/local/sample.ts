import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiClient } from './api-client.js'
import { say } from './say.js'
import { waitFor } from './wait.js'

const FINAL = ['SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT']

const SCRIPT = `echo "Hello from instance $JOBTRAIL_INSTANCE_ID on $(uname -n)"
for step in 1 2 3 4 5; do
  echo "step $step of 5"
  sleep 0.4
done
echo "this line went to stderr" >&2
echo "done"
`

interface Instance {
  status: string
  log: { state: string; lines: number }
}

interface Line {
  n: number
  stream: string
  text: string
}

async function sampleJob(api: ApiClient): Promise<string> {
  const page = await api.get<{ items: { id: string }[] }>('/api/jobs?namespace=default&name=sample')
  const known = page.items[0]
  if (known !== undefined) return known.id
  const job = await api.post<{ id: string }>('/api/jobs', {
    namespace: 'default',
    name: 'sample',
    description: 'Made by npm start; run it again, change it, remove it.',
    trigger: { kind: 'manual' },
    processor: { kind: 'shell', script: SCRIPT },
  })
  return job.id
}

/** Prints the log until the server says that it has ended; resumes where a connection broke off. */
async function printLog(api: ApiClient, instanceId: string): Promise<void> {
  let lastEventId: string | undefined
  for (let attempt = 0; attempt < 5; attempt++) {
    const options = { idleTimeoutMs: 60_000, ...(lastEventId === undefined ? {} : { lastEventId }) }
    for await (const { event, data, id } of api.events(`/api/instances/${instanceId}/logs/follow?from=0`, options)) {
      if (event === 'end') return
      if (event !== 'message') continue
      lastEventId = id ?? lastEventId
      const line = JSON.parse(data) as Line
      process.stdout.write(`  ${String(line.n).padStart(4)} ${line.stream.padEnd(6)} | ${line.text}\n`)
    }
    await sleep(500)
  }
  throw new Error('the log was cut off five times')
}

/** Makes the sample job if it is not there, runs it, and prints its log as it arrives. */
export async function runSample(api: ApiClient): Promise<void> {
  const jobId = await sampleJob(api)
  const { instanceId } = await api.post<{ instanceId: string }>(`/api/jobs/${jobId}/runs`, {})
  say(`sample job runs as instance ${instanceId}; its log:`)
  await printLog(api, instanceId)
  const instance = await waitFor(
    async () => {
      const seen = await api.get<Instance>(`/api/instances/${instanceId}`)
      return FINAL.includes(seen.status) ? seen : undefined
    },
    { timeoutMs: 30_000, what: 'the end of the sample job', intervalMs: 100 },
  )
  say(`sample job ${instance.status}, log ${instance.log.state} with ${instance.log.lines} lines`)
}
