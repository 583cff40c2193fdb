import { Backoff } from './backoff.js'
import { NotConnectedError, RefusedError } from './errors.js'

/** What a lane needs to know of its items. */
export interface LaneOptions<T> {
  maxItems: number
  /** Bound of a message's summed `sizeOf`, unless it holds a single item. */
  maxBytes: number
  sizeOf(item: T): number
  maxInFlight: number
  isConnected(): boolean
  /** Sends a batch and deals with its results; rejects when it has to be sent again. */
  send(items: T[]): Promise<void>
  /** A single item that the server will never take. */
  onRejected(item: T, error: RefusedError): void
  onFailure(error: unknown): void
}

/**
 * Items of one kind on their way to a server: collected while messages are under way, sent in batches, sent again with back-off when there was no
 * answer. The newest item of a key wins. Whoever puts items in bounds their number (slots, the outbox).
 */
export class BatchLane<T> {
  private readonly queued = new Map<string, T>()
  private inFlight = 0
  private isPaused = false
  /** So many more messages carry one item each: a batch was refused for an unknown one of them. */
  private singles = 0
  private resume: NodeJS.Timeout | undefined
  private readonly backoff = new Backoff(100, 3_000)

  constructor(private readonly options: LaneOptions<T>) {}

  get isIdle(): boolean {
    return this.queued.size === 0 && this.inFlight === 0
  }

  put(key: string, item: T): void {
    this.queued.set(key, item)
  }

  delete(key: string): void {
    this.queued.delete(key)
  }

  /** A connection is there (again): what waited out a back-off goes now. */
  wake(): void {
    clearTimeout(this.resume)
    this.isPaused = false
    this.pump()
  }

  /** Sends as much as the window allows. */
  pump(): void {
    while (this.queued.size > 0 && !this.isPaused && this.inFlight < this.options.maxInFlight && this.options.isConnected()) void this.sendBatch(this.take())
  }

  close(): void {
    clearTimeout(this.resume)
    this.isPaused = true
  }

  private take(): Map<string, T> {
    const batch = new Map<string, T>()
    const limit = this.singles > 0 ? 1 : this.options.maxItems
    let bytes = 0
    for (const [key, item] of this.queued) {
      bytes += this.options.sizeOf(item)
      if (batch.size > 0 && bytes > this.options.maxBytes) break
      batch.set(key, item)
      if (batch.size >= limit) break
    }
    for (const key of batch.keys()) this.queued.delete(key)
    this.singles = Math.max(0, this.singles - 1)
    return batch
  }

  private async sendBatch(batch: Map<string, T>): Promise<void> {
    this.inFlight += 1
    try {
      await this.options.send([...batch.values()])
      this.backoff.reset()
    } catch (error) {
      this.failed(batch, error)
    } finally {
      this.inFlight -= 1
      this.pump()
    }
  }

  private failed(batch: Map<string, T>, error: unknown): void {
    if (error instanceof RefusedError && error.refusalCode === 'VALIDATION_FAILED') {
      const [only] = batch.values()
      if (batch.size === 1 && only !== undefined) return this.options.onRejected(only, error)
      this.singles += batch.size
    }
    for (const [key, item] of batch) if (!this.queued.has(key)) this.queued.set(key, item)
    // A lost connection needs no pause: nothing is sent before the next one.
    if (error instanceof NotConnectedError) return
    this.options.onFailure(error)
    this.isPaused = true
    clearTimeout(this.resume)
    this.resume = setTimeout(() => this.wake(), this.backoff.next())
  }
}
