import { type AttemptKey, attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { type AttemptEnd, type AttemptReply, INVALID, MAX_BATCH, type Progress, type Started } from '@jobtrail/shared/protocol/worker'
import type { Logger } from 'pino'
import { BatchLane } from './batch-lane.js'
import type { RequestSender } from './session.js'
import type { Outbox, OutboxEntry } from './outbox.js'

type StartedItem = Started['attempts'][number]
type ProgressItem = Progress['attempts'][number]

/** Events are collected for this long, so that attempts that run at once share messages and file writes. */
const COLLECT_MS = 2
const MAX_MESSAGE_BYTES = 1024 * 1024
/** Beyond so many undelivered ends no work is taken, so that hello and heartbeat can list all (their lists hold 20,000). */
const MAX_UNDELIVERED = 10_000
/** The same for their size: results are held in memory. */
const MAX_UNDELIVERED_BYTES = 64 * 1024 * 1024

export interface ReportsOptions {
  outbox: Outbox
  sender: RequestSender
  log: Logger
  onDiskFault(error: unknown): void
  /** The server says that this attempt is not (any more) this worker's. */
  onFenced(key: AttemptKey): void
  /** No server can read how this attempt ended, so none will ever know more of it. */
  onLost(key: AttemptKey): void
}

/** Tells the servers what became of attempts: `started`, `progress`, `finished`. Ends are kept in the {@link Outbox} until acknowledged. */
export class Reports {
  private readonly started: BatchLane<StartedItem>
  private readonly progress: BatchLane<ProgressItem>
  private readonly finished: BatchLane<OutboxEntry>
  /** Ends of the last milliseconds, not yet in the outbox. */
  private readonly fresh = new Map<string, AttemptEnd>()
  private collecting: NodeJS.Timeout | undefined
  private readonly waiters = new Set<() => void>()

  constructor(private readonly options: ReportsOptions) {
    const { sender, outbox, log } = options
    const common = { maxItems: MAX_BATCH, maxBytes: MAX_MESSAGE_BYTES, isConnected: () => sender.isConnected }
    const failed = (what: string) => (error: unknown) => log.warn({ err: error }, `${what} not delivered; will be sent again`)
    this.started = new BatchLane<StartedItem>({
      ...common,
      maxInFlight: 1,
      sizeOf: () => 100,
      send: async (attempts) => this.startsAnswered(attempts, await sender.request('started', { attempts })),
      onRejected: (item, error) => log.error({ err: error, attempt: attemptKeyString(item) }, 'the server will not take a start'),
      onFailure: failed('starts'),
    })
    this.progress = new BatchLane<ProgressItem>({
      ...common,
      maxInFlight: 1,
      sizeOf: ({ message }) => 120 + 3 * (message?.length ?? 0),
      send: async (attempts) => {
        const { problems = [] } = await sender.request('progress', { attempts })
        for (const { index, message } of problems) log.error({ attempt: attempts[index], problem: message }, 'the server cannot read a progress')
      },
      onRejected: (item, error) => log.error({ err: error, attempt: attemptKeyString(item) }, 'the server will not take a progress'),
      onFailure: failed('progress'),
    })
    this.finished = new BatchLane<OutboxEntry>({
      ...common,
      maxInFlight: 4,
      sizeOf: ({ bytes }) => bytes,
      send: async (entries) => {
        const { problems = [] } = await sender.request('finished', { attempts: entries.map(({ end }) => end) })
        for (const { index, message } of problems) this.setAside(entries[index], message)
        this.settle(entries)
      },
      onRejected: (entry, error) => {
        this.setAside(entry, error.message)
        this.settle([entry])
      },
      onFailure: failed('ends'),
    })
    for (const entry of outbox.values()) this.finished.put(attemptKeyString(entry.end), entry)
  }

  /** Ends not yet acknowledged. */
  get undelivered(): AttemptKey[] {
    const ends = [...this.options.outbox.values()].map(({ end }) => end)
    return [...ends, ...this.fresh.values()].map(({ instanceId, task, attempt }) => ({ instanceId, task, attempt }))
  }

  private get undeliveredCount(): number {
    return this.options.outbox.length + this.fresh.size
  }

  /** So much is undelivered that no work may be added to it. */
  get isFull(): boolean {
    return this.undeliveredCount >= MAX_UNDELIVERED || this.options.outbox.liveBytes >= MAX_UNDELIVERED_BYTES
  }

  addStarted(key: AttemptKey, startedAt: number): void {
    this.started.put(attemptKeyString(key), { instanceId: key.instanceId, task: key.task, attempt: key.attempt, startedAt })
    this.collect()
  }

  addProgress(item: ProgressItem): void {
    this.progress.put(attemptKeyString(item), item)
    this.collect()
  }

  addEnd(end: AttemptEnd): void {
    const key = attemptKeyString(end)
    // An attempt that ended before its start was told needs no `started`: the end carries the time.
    this.started.delete(key)
    this.progress.delete(key)
    this.fresh.set(key, end)
    this.collect()
  }

  /** Drops everything about attempts that are no longer ours. */
  forget(keys: readonly string[]): void {
    this.flush()
    for (const lane of [this.started, this.progress, this.finished]) for (const key of keys) lane.delete(key)
    this.guardDisk(() => this.options.outbox.settle(keys))
    this.wakeIfDrained()
  }

  has(key: string): boolean {
    return this.options.outbox.has(key) || this.fresh.has(key)
  }

  connected(): void {
    this.flush()
    for (const lane of [this.started, this.progress, this.finished]) lane.wake()
  }

  /** True when every end is acknowledged, false after `timeoutMs`. */
  async drained(timeoutMs: number): Promise<boolean> {
    this.flush()
    if (this.undeliveredCount === 0) return true
    return new Promise((resolve) => {
      const done = (isDrained: boolean) => () => {
        clearTimeout(timer)
        this.waiters.delete(waiter)
        resolve(isDrained)
      }
      const waiter = done(true)
      const timer = setTimeout(done(false), timeoutMs)
      this.waiters.add(waiter)
    })
  }

  close(): void {
    this.flush()
    this.abandon()
  }

  /** Nothing more is told or kept: the outbox has a new owner. */
  abandon(): void {
    clearTimeout(this.collecting)
    for (const lane of [this.started, this.progress, this.finished]) lane.close()
    this.options.outbox.close()
  }

  private collect(): void {
    if (this.collecting !== undefined) return
    this.collecting = setTimeout(() => this.flush(), COLLECT_MS)
  }

  private flush(): void {
    clearTimeout(this.collecting)
    this.collecting = undefined
    if (this.fresh.size > 0) {
      const ends = [...this.fresh.values()]
      this.fresh.clear()
      this.guardDisk(() => this.options.outbox.add(ends))
      for (const entry of this.options.outbox.entriesOf(ends)) this.finished.put(attemptKeyString(entry.end), entry)
    }
    this.started.pump()
    this.progress.pump()
    this.finished.pump()
  }

  /** An end that no server will take must not hold up the others; people find it in the file beside. */
  private setAside(entry: OutboxEntry | undefined, problem: string): void {
    if (entry === undefined) return
    this.options.log.error({ end: entry.end, problem }, 'the server will not take an end; it is set aside')
    this.guardDisk(() => this.options.outbox.setAside([JSON.stringify({ end: entry.end })], problem))
    this.options.onLost(entry.end)
  }

  private settle(entries: readonly OutboxEntry[]): void {
    this.guardDisk(() => this.options.outbox.settle(entries.map(({ end }) => attemptKeyString(end))))
    this.wakeIfDrained()
  }

  private wakeIfDrained(): void {
    if (this.undeliveredCount === 0) for (const waiter of [...this.waiters]) waiter()
  }

  private startsAnswered(attempts: readonly AttemptKey[], { results, problems = [] }: AttemptReply): void {
    const unread = new Map(problems.map(({ index, message }) => [index, message]))
    attempts.forEach((key, i) => {
      const problem = unread.get(i)
      // Former servers say `fenced` of what they cannot read. It says nothing about whose the attempt is: the answers to heartbeats do.
      if (problem !== undefined || results[i] === INVALID) this.options.log.error({ attempt: attemptKeyString(key), problem }, 'the server cannot read a start')
      else if (results[i] === 'fenced') this.options.onFenced(key)
    })
  }

  /** A full or broken disk must not stop deliveries: the ends are in memory as well. */
  private guardDisk(write: () => void): void {
    try {
      write()
    } catch (error) {
      this.options.log.error({ err: error }, 'the outbox file cannot be written; ends are held in memory only')
      this.options.onDiskFault(error)
    }
  }
}
