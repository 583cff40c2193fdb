import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { ApiClient, ApiError } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { LogPage } from '@jobtrail/api/logs'
import { isOutage } from './follow.js'
import type { Side } from './numbered-lines.js'

/** What an answer showed: bytes of the log from `at` on, or lines from number `at` on. Kept as a digest, to be compared with the end result. */
type Seen = { kind: 'bytes' | 'lines'; at: number; count: number; digest: string; base: string }

/** What is asked in turn; each poll takes one at random. */
const KINDS = ['whole', 'rest', 'middle', 'end'] as const
const PAGE = 200
const TIMEOUT_MS = 15_000
/** Between two polls of a loop: the reader must not take the machine from those who write. */
const PAUSE_MS = 50

/**
 * Reads logs again and again, of any instance from any server, while things are broken: what it is shown must be the beginning (or a piece of the beginning) of
 * what the log is in the end. Servers that are away, and answers that break off, are nothing to it; a wrong answer is.
 */
export class LogPoller {
  private readonly clients: readonly ApiClient[]
  private readonly seen = new Map<string, Seen[]>()
  private readonly latestAttempt = new Map<string, number>()
  private readonly lines = new Map<string, number>()
  private readonly byBase = new Map<string, number>()
  private readonly wrong: string[] = []
  private loops: Promise<void>[] = []
  private isStopped = false

  constructor(
    private readonly instances: readonly string[],
    bases: readonly string[],
    token: string | undefined,
  ) {
    this.clients = bases.map((base) => new ApiClient(base, token, TIMEOUT_MS))
  }

  start(parallel: number): void {
    this.loops = Array.from({ length: parallel }, () => this.run())
  }

  async stop(): Promise<void> {
    this.isStopped = true
    await Promise.all(this.loops)
  }

  /** Answers that were wrong in themselves. */
  get problems(): readonly string[] {
    return this.wrong
  }

  /** Usable answers with lines in them, by server. */
  get answers(): ReadonlyMap<string, number> {
    return this.byBase
  }

  /** Waits until every instance has more lines than were seen by now, or another attempt: the logs go on. */
  async waitForGrowth(timeoutMs = 90_000): Promise<void> {
    let waiting = this.instances.map((id) => ({ id, attempt: this.attemptOf(id), lines: this.linesOf(id) }))
    await waitFor(
      async () => {
        for (const { id } of waiting) await this.pollLines(pick(this.clients), id, -PAGE)
        waiting = waiting.filter(({ id, attempt, lines }) => this.attemptOf(id) === attempt && this.linesOf(id) <= lines)
        return waiting.length === 0
      },
      { timeoutMs, what: 'every log to grow', intervalMs: 100 },
    )
  }

  /** Compares everything that was seen of an attempt's log with what it is in the end; what differs, for people. */
  compare(instanceId: string, attempt: number, whole: Buffer, sideOf: (text: string) => Side): { compared: number; differences: string[] } {
    const lines = whole.toString('utf8').split('\n').slice(0, -1)
    const views = lines.map((text) => `${sideOf(text)} ${text}`)
    const key = `${instanceId} ${attempt}`
    const seen = this.seen.get(key) ?? []
    this.seen.delete(key)
    const differences = seen.flatMap(({ kind, at, count, digest, base }) => {
      const final = kind === 'bytes' ? digestOf(whole.subarray(at, at + count)) : digestOf(views.slice(at, at + count).join('\n'))
      return final === digest ? [] : [`${base} showed other ${kind} ${at} to ${at + count} of ${key}`]
    })
    return { compared: seen.length, differences }
  }

  /** Attempts whose answers were not compared yet. */
  get notCompared(): string[] {
    return [...this.seen.keys()]
  }

  private async run(): Promise<void> {
    while (!this.isStopped) {
      const instanceId = pick(this.instances)
      const client = pick(this.clients)
      try {
        await this.poll(client, instanceId)
      } catch (error) {
        if (!isOutage(error)) this.wrong.push(String(error))
      }
      await sleep(PAUSE_MS)
    }
  }

  private async poll(client: ApiClient, instanceId: string): Promise<void> {
    const known = this.linesOf(instanceId)
    const kind = pick(KINDS)
    if (kind === 'whole' || kind === 'rest') {
      const attempt = 1 + Math.floor(Math.random() * this.attemptOf(instanceId))
      return this.pollBytes(client, instanceId, attempt, kind === 'whole' ? 0 : 1 + Math.floor(Math.random() * known * 20))
    }
    await this.pollLines(client, instanceId, kind === 'end' ? -PAGE : Math.floor(Math.random() * known))
  }

  private async pollLines(client: ApiClient, instanceId: string, from: number): Promise<void> {
    const page = await client.get(`/api/instances/${instanceId}/logs?from=${from}&limit=${PAGE}`, LogPage)
    const first = from >= 0 ? from : Math.max(0, page.total + from)
    const expected = Math.max(0, Math.min(PAGE, page.total - first))
    const where = `${client.baseUrl} ${instanceId} attempt ${page.attempt}: page from ${from} of ${page.total}`
    if (page.lines.length !== expected) this.wrong.push(`${where} has ${page.lines.length} lines, not ${expected}`)
    if (page.lines.some(({ n }, i) => n !== first + i)) this.wrong.push(`${where} has lines that do not follow on each other`)
    this.latestAttempt.set(instanceId, Math.max(page.attempt, this.attemptOf(instanceId)))
    const key = `${instanceId} ${page.attempt}`
    this.lines.set(key, Math.max(page.total, this.lines.get(key) ?? 0))
    this.keep(client, instanceId, page.attempt, 'lines', first, page.lines.length, page.lines.map(({ stream, text }) => `${stream} ${text}`).join('\n'))
  }

  private async pollBytes(client: ApiClient, instanceId: string, attempt: number, from: number): Promise<void> {
    const path = `/api/instances/${instanceId}/logs/raw?attempt=${attempt}`
    const response = await client.raw('GET', path, from === 0 ? {} : { headers: { range: `bytes=${from}-` } })
    const bytes = Buffer.from(await response.arrayBuffer())
    if (response.status === 416 && from > 0) return // not that long yet
    if (!response.ok) throw new ApiError(response.status, bytes.toString('utf8'), `GET ${path}`)
    const isPart = response.headers.get('content-range')?.startsWith(`bytes ${from}-`) === true
    if (from > 0 && (response.status !== 206 || !isPart))
      this.wrong.push(`${client.baseUrl} ${path} from byte ${from}: ${response.status} ${response.headers.get('content-range')}`)
    this.keep(client, instanceId, attempt, 'bytes', from, bytes.length, bytes)
  }

  private keep({ baseUrl }: ApiClient, instanceId: string, attempt: number, kind: Seen['kind'], at: number, count: number, content: Buffer | string): void {
    if (count === 0) return
    const key = `${instanceId} ${attempt}`
    const seen = this.seen.get(key) ?? []
    seen.push({ kind, at, count, digest: digestOf(content), base: baseUrl })
    this.seen.set(key, seen)
    this.byBase.set(baseUrl, (this.byBase.get(baseUrl) ?? 0) + 1)
  }

  private attemptOf(instanceId: string): number {
    return this.latestAttempt.get(instanceId) ?? 1
  }

  /** The most lines that any answer said the latest attempt has. */
  private linesOf(instanceId: string): number {
    return this.lines.get(`${instanceId} ${this.attemptOf(instanceId)}`) ?? 0
  }
}

function digestOf(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex')
}

function pick<T>(items: readonly T[]): T {
  const item = items[Math.floor(Math.random() * items.length)]
  if (item === undefined) throw new RangeError('nothing to pick from')
  return item
}
