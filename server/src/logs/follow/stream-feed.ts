import { setImmediate as nextTurn } from 'node:timers/promises'
import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { isCheckedLog, isFinalInstance } from '@jobtrail/protocol/domain/statuses'
import type { InstancesService } from '../../engine/instances.service.js'
import type { Logger } from '../../platform/logging.js'
import { linesOf } from '../domain/chunk-lines.js'
import type { FollowFacts } from '../domain/follow-decision.js'
import { encodeLines, type SseBlock } from '../domain/sse.js'
import { emptyTotals, extendPrefix, type Prefix } from '../domain/stream-totals.js'
import { LogHoleError } from '../log-reader.service.js'
import type { LogStore, StoredChunk } from '../log-store.js'
import type { LogStreamsService, StreamView } from '../log-streams.service.js'
import { BlockWindow, type WindowBudget } from './block-window.js'

/** What a follower is told once it has every line: the state of the stream and of its instance. A new object each time that something changed. */
export type CaughtUp = { view: StreamView; facts: FollowFacts }
export type FeedServices = { store: LogStore; streams: LogStreamsService; instances: InstancesService; logger: Logger; budget: WindowBudget }

const WINDOW_BYTES = 16 * 1024 * 1024
const READ_CHUNKS = 8
const READ_BYTES = 512 * 1024
/** Without a signal a followed stream is looked at this often: soon after it moved, then slowly. */
const ACTIVE_POLL_MS = 100
const IDLE_POLL_MS = 1_000
const WATERMARK_CHUNKS = 64

/**
 * Reads one stream for all of its followers on this server: each chunk once, encoded once. `head` is how far it is known to be stored without a gap; only below it
 * is anything read at random. It reads on only while someone waits at the head, so that slow followers hold up reading.
 */
export class StreamFeed {
  private readonly window: BlockWindow
  private readonly waiters = new Set<() => void>()
  private loading: Promise<SseBlock | undefined> | undefined
  private looking: Promise<void> | undefined
  private prefix: Prefix
  private watermarkChunks = 0
  private caughtUp: CaughtUp | undefined
  private timer: NodeJS.Timeout | undefined
  private pollMs = IDLE_POLL_MS
  private isPolling = false
  /** A signal came, or nobody has looked yet. */
  private isDirty = true
  private isClosed = false
  /** The instance was removed while its log was followed. */
  isRemoved = false
  /** Chunks that are still there are being removed. */
  private isExpired = false

  constructor(
    readonly key: AttemptKey,
    private readonly services: FeedServices,
  ) {
    this.prefix = emptyTotals(key)
    this.window = new BlockWindow(WINDOW_BYTES, services.budget)
  }

  get head(): number {
    return this.prefix.lines
  }

  /** To be awaited before anything else. */
  async open(): Promise<void> {
    const { prefix, state } = await this.services.streams.view(this.key)
    this.isExpired = state === 'expired'
    this.prefix = prefix
    this.watermarkChunks = prefix.chunks
    this.schedule()
  }

  /** Wakes everybody for good. */
  close(): void {
    this.isClosed = true
    clearTimeout(this.timer)
    this.window.clear()
    this.wake()
    if (this.prefix.chunks > this.watermarkChunks) this.services.streams.noteWatermark(this.key, this.prefix)
  }

  /** The stream may have changed. */
  signal(): void {
    this.isDirty = true
    this.poll()
  }

  /** For whoever joins late: what was known when the others had seen everything may not be so any more. */
  refresh(): void {
    this.caughtUp = undefined
    this.signal()
  }

  /** Moves `head` to where the stream ends by now, without reading what is between: for those who pass over what they are far behind of. One look at a time. */
  lookAhead(): Promise<void> {
    this.looking ??= this.findHead().finally(() => {
      this.looking = undefined
    })
    return this.looking
  }

  /**
   * The block that holds line `at`; or, when all lines are seen, what is known then, unless it is what the caller has `seen`. Waits for either. Undefined when the
   * feed is closed or `signal` aborted. `isAligned`: a block begins at `at`.
   */
  async next(at: number, isAligned: boolean, seen: CaughtUp | undefined, signal: AbortSignal): Promise<SseBlock | CaughtUp | undefined> {
    for (;;) {
      if (this.isClosed || signal.aborted) return undefined
      const block = at < this.head ? await this.load(at, isAligned) : undefined
      if (block !== undefined) return block
      if (this.caughtUp !== undefined && this.caughtUp !== seen) return this.caughtUp
      await this.wait(signal)
    }
  }

  private wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.waiters.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.waiters.add(done)
      signal.addEventListener('abort', done)
      if (this.isDirty) this.poll()
    })
  }

  private wake(): void {
    for (const done of [...this.waiters]) done()
  }

  /** One read at a time: what it brings serves those who wait for it, and the next look at the window finds it. Undefined when the log has expired meanwhile. */
  private async load(at: number, isAligned: boolean): Promise<SseBlock | undefined> {
    for (;;) {
      const found = this.window.find(at)
      if (found !== undefined) return found
      if (this.loading === undefined) break
      // Its failure is that of the one who began it.
      await this.loading.catch(() => undefined)
    }
    this.loading = this.loadBlock(at, isAligned)
    try {
      return await this.loading
    } finally {
      this.loading = undefined
    }
  }

  private async loadBlock(at: number, isAligned: boolean): Promise<SseBlock | undefined> {
    const { store } = this.services
    const chunks = isAligned
      ? await store.read(this.key, { from: at, to: this.head, maxChunks: READ_CHUNKS, maxBytes: READ_BYTES })
      : await store.read(this.key, { from: 0, to: at + 1, order: 'desc', maxChunks: 1 })
    const blocks = await this.encode(chunks)
    const block = blocks.find(({ n, end }) => n <= at && at < end)
    if (block === undefined) await this.expireOrThrow(at)
    return block
  }

  /** Lines below the head are not there any more: nothing is to be read if the log has expired, and followers hear of it as of any end; else it has a hole. */
  private async expireOrThrow(at: number): Promise<void> {
    const { state, prefix } = await this.services.streams.view(this.key)
    if (state !== 'expired') throw new LogHoleError(this.key, at)
    this.prefix = prefix
    if (this.caughtUp?.facts.state === 'expired') return
    this.isExpired = true
    this.caughtUp = undefined
    this.isDirty = true
  }

  private async encode(chunks: readonly StoredChunk[]): Promise<SseBlock[]> {
    const blocks: SseBlock[] = []
    for (const chunk of chunks) {
      // A large chunk takes a millisecond; others want to be served in between.
      if (blocks.length > 0) await nextTurn()
      const block = encodeLines(this.key, linesOf(chunk))
      blocks.push(block)
      if (!this.isClosed) this.window.add(block)
    }
    return blocks
  }

  /** Never rejects: without an answer the head stays, and followers read on to where it is. */
  private async findHead(): Promise<void> {
    try {
      const { prefix } = await this.services.streams.view(this.key)
      if (prefix.lines <= this.head) return
      this.prefix = prefix
      this.wake()
    } catch (err) {
      this.services.logger.warn('The end of a followed log could not be looked for; followers read on', { stream: attemptKeyString(this.key), err })
    }
  }

  private schedule(): void {
    if (this.isClosed) return
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      this.isDirty = true
      this.poll()
    }, this.pollMs)
  }

  private poll(): void {
    if (this.isPolling || this.isClosed || this.waiters.size === 0) {
      if (!this.isPolling) this.schedule()
      return
    }
    this.isPolling = true
    void this.advanceWhileDirty().finally(() => {
      this.isPolling = false
      if (this.isDirty && this.waiters.size > 0) this.poll()
      else this.schedule()
    })
  }

  /** Never rejects: while the database is away, followers wait. */
  private async advanceWhileDirty(): Promise<void> {
    try {
      while (this.isDirty && this.waiters.size > 0 && !this.isClosed) {
        this.isDirty = false
        await this.advance()
      }
    } catch (err) {
      this.isDirty = false
      this.pollMs = IDLE_POLL_MS * (0.5 + Math.random())
      this.services.logger.warn('A followed log could not be read; it is tried again', { stream: attemptKeyString(this.key), err })
    }
  }

  private async advance(): Promise<void> {
    const chunks = this.isExpired ? [] : await this.services.store.read(this.key, { from: this.head, maxChunks: READ_CHUNKS, maxBytes: READ_BYTES })
    const following = followingOn(chunks, this.head)
    if (following.length === 0) {
      await this.lookAround()
      return
    }
    await this.encode(following)
    this.prefix = extendPrefix(
      this.prefix,
      following.map(({ header }) => header),
    ).prefix
    if (this.prefix.chunks - this.watermarkChunks >= WATERMARK_CHUNKS) {
      this.watermarkChunks = this.prefix.chunks
      this.services.streams.noteWatermark(this.key, this.prefix)
    }
    // The read may have ended at its limits.
    if (chunks.length === READ_CHUNKS || chunks.reduce((sum, { data }) => sum + data.length, 0) >= READ_BYTES) this.isDirty = true
    this.pollMs = ACTIVE_POLL_MS
    this.wake()
  }

  /** Nothing more is stored now: is more to come? */
  private async lookAround(): Promise<void> {
    this.pollMs = Math.min(IDLE_POLL_MS, this.pollMs * 2)
    const record = await this.services.streams.record(this.key)
    const stored = record?.state ?? 'open'
    this.isExpired = stored === 'expired'
    // Of an open stream with lines the instance need not be asked: its attempt exists, and more may come.
    if (stored === 'open' && this.head > 0) return
    if (isCheckedLog(stored) && record?.totals !== undefined && record.totals.lines > this.head) {
      // Sealed since the chunks were read.
      this.pollMs = ACTIVE_POLL_MS
      return
    }
    const instance = await this.services.instances.current(this.key.instanceId)
    if (instance === undefined) {
      this.isRemoved = true
      return this.close()
    }
    // An instance that was ended before its first attempt has a log that is complete: an empty one.
    const state = instance.attempt === 0 && isFinalInstance(instance.status) ? 'sealed' : stored
    const view = stored === 'open' ? { state, prefix: this.prefix } : await this.services.streams.view(this.key)
    const facts = { state: view.state, status: instance.status, latestAttempt: instance.attempt }
    const former = this.caughtUp?.facts
    if (former?.state === facts.state && former.status === facts.status && former.latestAttempt === facts.latestAttempt) return
    this.caughtUp = { view, facts }
    this.wake()
  }
}

/** Those chunks that follow on each other from line `at` on, up to the first gap. */
function followingOn(chunks: readonly StoredChunk[], at: number): StoredChunk[] {
  const result: StoredChunk[] = []
  let next = at
  for (const chunk of chunks) {
    if (chunk.header.n > next) break
    if (chunk.header.n < next) continue
    result.push(chunk)
    next += chunk.header.count
  }
  return result
}
