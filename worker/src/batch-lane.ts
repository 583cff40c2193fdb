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
  /** Halves of batches that were refused for an unknown one of their items: each goes as it is, until that item is alone. */
  private readonly parts: Map<string, T>[] = []
  private resume: NodeJS.Timeout | undefined
  private readonly backoff = new Backoff(100, 3_000)

  constructor(private readonly options: LaneOptions<T>) {}

  get isIdle(): boolean {
    return this.queued.size === 0 && this.parts.length === 0 && this.inFlight === 0
  }

  put(key: string, item: T): void {
    for (const part of this.parts) part.delete(key)
    this.queued.set(key, item)
  }

  delete(key: string): void {
    for (const part of this.parts) part.delete(key)
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
    while (!this.isPaused && this.inFlight < this.options.maxInFlight && this.options.isConnected()) {
      const batch = this.take()
      if (batch.size === 0) return
      void this.sendBatch(batch)
    }
  }

  close(): void {
    clearTimeout(this.resume)
    this.isPaused = true
  }

  private take(): Map<string, T> {
    for (let part = this.parts.shift(); part !== undefined; part = this.parts.shift()) if (part.size > 0) return part
    const batch = new Map<string, T>()
    let bytes = 0
    for (const [key, item] of this.queued) {
      bytes += this.options.sizeOf(item)
      if (batch.size > 0 && bytes > this.options.maxBytes) break
      batch.set(key, item)
      if (batch.size >= this.options.maxItems) break
    }
    for (const key of batch.keys()) this.queued.delete(key)
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
      // The server has read them and done nothing: no need to wait before the halves.
      const items = [...batch].filter(([key]) => !this.queued.has(key))
      const middle = Math.ceil(items.length / 2)
      this.parts.push(new Map(items.slice(0, middle)), new Map(items.slice(middle)))
      return
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
