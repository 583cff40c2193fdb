import type { FileHandle } from 'node:fs/promises'
import type { LogLimits } from '@jobtrail/protocol/wire/job'
import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import type { LineRange, StreamTotals } from '@jobtrail/protocol/log/chunk'
import type { Chunk } from '@jobtrail/protocol/log/chunk-builder'
import type { ForwardClock } from '../clock.js'
import { backoffMs } from './backoff.js'
import { StreamCapture } from './capture.js'
import { Chunker } from './chunker.js'
import { isDiskFault } from './disk-fault.js'
import { FlushClock } from './flush-clock.js'
import { Pressure } from './pressure.js'
import { Resumer, type ResumeResult } from './resumer.js'
import { Sealer } from './sealer.js'
import { DEFAULT_WINDOW_BYTES, DEFAULT_WINDOW_MESSAGES, Sender } from './sender.js'
import { Spool } from './spool.js'
import type { SecretPatterns } from './secret-patterns.js'
import { emptyStream, type RecoveredStream } from './spool-recovery.js'
import { planRepair, rewrite } from './spool-repair.js'
import type { StreamLog } from './stream-log.js'
import { StreamQueue } from './stream-queue.js'
import type { LogTransport } from './transport.js'

export type { StreamLog } from './stream-log.js'
export type { LogTransport } from './transport.js'

const CHECK_STOPPED_MS = 200
const CLOSE_TIMEOUT_MS = 5_000
const MAX_EXAMINATIONS = 3
const RETRY_BASE_MS = 200
const RETRY_MAX_MS = 5_000

export interface LogPipelineOptions {
  /** The worker's spool folder, of no other process; the pipeline owns `streams` and `rejected` in it. */
  dir: string
  /** Spool limit over all streams. */
  limitBytes: number
  transport: LogTransport
  /** Attempts that a former process had begun and not ended. Also a log of theirs that has nothing in the spool is ended. */
  begun?: readonly AttemptKey[]
  /** For the logger: something went wrong that the pipeline deals with itself. */
  onFault: (error: unknown, what: string) => void
  /** For specs: opens a spool file to be written. */
  openFile?: (path: string) => Promise<FileHandle>
  windowMessages?: number
  windowBytes?: number
}

/** Capture → chunker → spool → sender, for all attempts of a worker. */
export class LogPipeline {
  private readonly options: LogPipelineOptions
  private readonly spool: Spool
  private readonly clock = new FlushClock()
  private readonly sender: Sender
  private readonly sealer: Sealer
  private readonly resumer: Resumer
  private readonly pressure: Pressure
  /** Streams with something in the spool. */
  private readonly queues = new Map<string, StreamQueue>()
  private readonly captures = new Map<StreamQueue, StreamCapture>()
  private readonly stopped = new Set<StreamCapture>()
  private stoppedTimer: NodeJS.Timeout | undefined
  private isAbandoned = false
  private drainWaiters: (() => void)[] = []

  private constructor(options: LogPipelineOptions, spool: Spool) {
    const { transport, onFault } = options
    this.options = options
    this.spool = spool
    this.sender = new Sender({
      transport,
      windowMessages: options.windowMessages ?? DEFAULT_WINDOW_MESSAGES,
      windowBytes: options.windowBytes ?? DEFAULT_WINDOW_BYTES,
      onFault,
      onProgress: (queue) => this.progressed(queue),
      onRefused: (queue, error) => this.setAside(queue, error),
      onBroken: (queue, error) => this.broken(queue, error),
    })
    this.sealer = new Sealer({
      transport,
      onFault,
      onSealed: (queue) => this.forget(queue),
      onMissing: (queue, missing) => {
        if (queue.rewind(missing, queue.totals?.lines ?? 0)) this.sender.release(queue)
        else this.setAside(queue, new Error(`${queue.id}: the server misses lines that it had acknowledged and the spool no longer has`))
      },
      onConflict: (queue) => this.setAside(queue, new Error(`${queue.id}: the server's sums are not ours`)),
    })
    this.resumer = new Resumer({ transport, onFault, onResumed: (queue, result) => this.resumed(queue, result) })
    this.pressure = new Pressure(spool, this.sender, () => this.captures.size)
  }

  /** Opens the spool (takes recovered streams in: torn tails cut off). Recovered streams that have no end record are ended with what was captured. */
  static async open(options: LogPipelineOptions): Promise<LogPipeline> {
    const { spool, recovered } = await Spool.open(options)
    const pipeline = new LogPipeline(options, spool)
    for (const stream of recovered) pipeline.takeRecovered(stream)
    for (const key of options.begun ?? []) if (!pipeline.queues.has(attemptKeyString(key))) pipeline.takeRecovered(emptyStream(key))
    return pipeline
  }

  /** Of the spool's files, with what is acknowledged and kept until its stream is sealed. */
  get spoolBytes(): number {
    return this.spool.usedBytes
  }

  /** Chunks that no server has acknowledged. */
  get unackedBytes(): number {
    let bytes = 0
    for (const queue of this.queues.values()) bytes += queue.unackedBytes
    return bytes
  }

  /** The log of one attempt that begins now. It costs no file until there is a line. */
  openStream(key: AttemptKey, limits: LogLimits, secrets: SecretPatterns | undefined, clock?: ForwardClock): StreamLog {
    let queue: StreamQueue | undefined
    const chunker = new Chunker(key, limits, this.clock, (chunk) => {
      if (this.isAbandoned) return
      queue ??= this.createQueue(key, capture)
      this.append(queue, chunk)
    })
    const capture: StreamCapture = new StreamCapture({
      chunker,
      secrets,
      ...(clock === undefined ? {} : { clock }),
      judge: (current) => this.pressure.judge(queue, limits.onPressure, current),
      isOverrun: () => this.pressure.isOverrun,
      onStopped: (stopped) => this.watch(stopped),
      onEnd: async (totals) => {
        if (queue !== undefined) await this.ended(queue, totals)
      },
      onFault: this.options.onFault,
    })
    return capture
  }

  /** Up to `limit` of the streams that are not done. */
  keys(limit: number): AttemptKey[] {
    return [...this.queues.values()].slice(0, limit).map(({ key: { instanceId, task, attempt } }) => ({ instanceId, task, attempt }))
  }

  /** Called after each successful hello: asks `resume` for streams with unacknowledged or unsealed data (in pages), then sends what is missing. */
  connected(): void {
    for (const queue of this.queues.values()) queue.isHeld = true
    this.sender.connected()
    this.sealer.connected()
    this.resumer.connected([...this.queues.values()])
  }

  disconnected(): void {
    this.resumer.disconnected()
    this.sealer.disconnected()
    this.sender.disconnected()
  }

  /** Resolves true when every ended stream is sealed, or false after timeoutMs. */
  drained(timeoutMs: number): Promise<boolean> {
    if (this.isDrained) return Promise.resolve(true)
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.drainWaiters = this.drainWaiters.filter((waiter) => waiter !== done)
        resolve(false)
      }, timeoutMs)
      const done = (): void => {
        clearTimeout(timer)
        resolve(true)
      }
      this.drainWaiters.push(done)
    })
  }

  /** Puts what is captured on disk (as far as the disk takes it within some seconds), syncs, stops timers. */
  async close(): Promise<void> {
    this.clock.close()
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_TIMEOUT_MS)
    })
    await Promise.race([Promise.all([...this.queues.values()].map(({ file }) => file.whenWritten())), timeout])
    clearTimeout(timer)
    clearTimeout(this.stoppedTimer)
    this.disconnected()
    this.sender.close()
    await this.spool.close()
  }

  /** The folder has a new owner: from here on nothing in it is written or removed, and nothing is sent. What streams still capture is dropped. */
  abandon(): void {
    this.isAbandoned = true
    this.disconnected()
    this.sender.close()
    this.spool.abandon()
    for (const queue of [...this.queues.values()]) {
      this.letGo(queue)
      this.spool.leave(queue.file)
    }
  }

  private takeRecovered(stream: RecoveredStream): void {
    const queue = new StreamQueue(stream.key, this.spool.adoptFile(stream))
    queue.file.onWritten = (chunk) => this.sender.chunkWritten(queue, chunk)
    queue.file.onRefused = () => this.refused(queue)
    if (stream.end !== undefined && stream.gaps.length === 0) queue.totals = stream.end
    else queue.recovered = stream
    queue.isHeld = true
    this.queues.set(queue.id, queue)
  }

  private createQueue(key: AttemptKey, capture: StreamCapture): StreamQueue {
    const file = this.spool.createFile(key)
    const queue = new StreamQueue(key, file)
    file.onRefused = () => this.refused(queue)
    file.onWritten = (chunk) => {
      this.sender.chunkWritten(queue, chunk)
      if (capture.isStopped) capture.check()
    }
    this.queues.set(attemptKeyString(key), queue)
    this.captures.set(queue, capture)
    return queue
  }

  private append(queue: StreamQueue, chunk: Chunk): void {
    // Set aside or removed on the server: there is no place for it any more.
    if (queue.isGone) return
    queue.unwrittenBytes += chunk.data.length
    queue.file.append(chunk)
  }

  private async ended(queue: StreamQueue, totals: StreamTotals): Promise<void> {
    this.captures.delete(queue)
    queue.file.appendEnd(totals)
    // An end is not held back by a disk that refuses; what waits for it is in memory.
    await queue.file.whenWrittenOrRefused()
    queue.totals = totals
    if (queue.isBroken) this.examine(queue)
    else this.progressed(queue)
  }

  /** The disk refuses what a stream writes: what servers have needs no room there, and what they can have at once need not wait for some. */
  private refused(queue: StreamQueue): boolean {
    for (const each of this.queues.values()) {
      if (each !== queue && each.isDelivered && this.captures.has(each)) each.file.retire()
      each.file.dropBefore(each.neededFrom)
    }
    if (queue.isGone || queue.isHeld || !this.sender.takesUnspooled) return false
    this.sender.sendUnspooled(queue, queue.file.takeUnwritten())
    return true
  }

  private resumed(queue: StreamQueue, { state, ranges }: ResumeResult): void {
    if (state === 'unknown' || (state === 'sealed' && !this.captures.has(queue))) return this.forget(queue)
    if (queue.recovered !== undefined) void this.repair(queue, queue.recovered, ranges)
    else if (!queue.isBroken) this.goOn(queue, ranges)
  }

  private goOn(queue: StreamQueue, ranges: readonly LineRange[]): void {
    this.sender.skipStored(queue, ranges)
    this.sender.release(queue)
    this.progressed(queue)
  }

  /** Brings a stream that a former process left, or whose file is damaged, to its end. Never rejects. */
  private async repair(queue: StreamQueue, stream: RecoveredStream, stored: readonly LineRange[]): Promise<void> {
    if (queue.isRepairing) return
    queue.isRepairing = true
    try {
      const plan = planRepair(stream, stored)
      if (plan.kind === 'rewrite') {
        const { segments, totals } = await this.untilDiskTakesIt(() => rewrite(stream))
        if (queue.isGone) return
        await queue.file.replaceSegments(segments, totals)
        this.sender.restart(queue)
        queue.totals = totals
      } else if (plan.kind === 'append') {
        this.append(queue, plan.chunk)
        void this.ended(queue, plan.totals)
      } else {
        queue.file.skipsDamage = true
        queue.totals = plan.totals
        queue.isUnsealable = plan.totals === undefined
      }
      queue.recovered = undefined
      this.goOn(queue, stored)
    } catch (error) {
      if (!queue.isGone) this.setAside(queue, new Error(`${queue.id}: cannot be repaired`, { cause: error }))
    } finally {
      queue.isRepairing = false
    }
  }

  /** Nothing more is sent of it until it has ended and can be looked through. */
  private broken(queue: StreamQueue, error: Error): void {
    queue.isBroken = true
    queue.isHeld = true
    if (++queue.examinations > MAX_EXAMINATIONS) return this.setAside(queue, error)
    this.options.onFault(error, 'spool file damaged')
    if (!this.captures.has(queue)) this.examine(queue)
  }

  private examine(queue: StreamQueue): void {
    const examined = this.untilDiskTakesIt(() => this.spool.examine(queue.file)).then((stream) => {
      if (queue.isGone) return
      queue.isBroken = false
      queue.recovered = stream
      this.resumer.ask(queue)
    })
    examined.catch((error: unknown) => this.setAside(queue, new Error(`${queue.id}: cannot be read`, { cause: error })))
  }

  private async untilDiskTakesIt<T>(work: () => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        return await work()
      } catch (error) {
        if (!isDiskFault(error) || this.spool.isClosed) throw error
        if (failures === 1) this.options.onFault(error, 'repair of the spool')
        await this.spool.pause(backoffMs(failures, RETRY_BASE_MS, RETRY_MAX_MS))
      }
    }
  }

  /** Something was acknowledged: drops what the spool needs no more, lets the producer go on, seals. */
  private progressed(queue: StreamQueue): void {
    if (queue.isGone) return
    if (queue.file.isFailing || this.spool.usedBytes > this.spool.limitBytes / 2) this.reclaim(queue)
    const capture = this.captures.get(queue)
    if (capture?.isStopped === true) capture.check()
    if (!queue.isDelivered || queue.isHeld) return
    if (queue.totals !== undefined) this.sealer.add(queue, queue.totals)
    else if (queue.isUnsealable) this.setAside(queue, new Error(`${queue.id}: lines were lost, and later ones are stored already; all others are delivered`))
  }

  /** Acknowledged chunks stay in the spool for a seal that misses some, as long as there is room. */
  private reclaim(queue: StreamQueue): void {
    if (this.spool.isFull && queue.isDelivered && queue.totals === undefined) queue.file.rotate()
    queue.file.dropBefore(queue.neededFrom)
  }

  private setAside(queue: StreamQueue, error: Error): void {
    this.options.onFault(error, 'log stream set aside')
    this.letGo(queue)
    this.spool.reject(queue.file)
  }

  private forget(queue: StreamQueue): void {
    this.letGo(queue)
    this.spool.remove(queue.file)
  }

  private letGo(queue: StreamQueue): void {
    const capture = this.captures.get(queue)
    this.sender.drop(queue)
    this.sealer.remove(queue)
    this.queues.delete(queue.id)
    this.captures.delete(queue)
    capture?.check()
    if (!this.isDrained) return
    const waiters = this.drainWaiters
    this.drainWaiters = []
    for (const done of waiters) done()
  }

  private get isDrained(): boolean {
    for (const queue of this.queues.values()) if (!this.captures.has(queue)) return false
    return true
  }

  /** Pressure also ends by time (no acknowledgements any more, other streams gone), so stopped producers are looked at now and then. */
  private watch(capture: StreamCapture): void {
    this.stopped.add(capture)
    this.stoppedTimer ??= setInterval(() => {
      if (this.spool.isFull) for (const queue of this.queues.values()) this.reclaim(queue)
      for (const each of this.stopped) {
        each.check()
        if (!each.isStopped) this.stopped.delete(each)
      }
      if (this.stopped.size > 0) return
      clearInterval(this.stoppedTimer)
      this.stoppedTimer = undefined
    }, CHECK_STOPPED_MS)
  }
}
