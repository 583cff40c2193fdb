import { writeApart } from './write-apart.js'

type Entry<T, R> = { item: T; weight: number; resolve: (result: R) => void; reject: (error: unknown) => void }

export type BatcherOptions<T, R> = {
  /**
   * Writes a batch; answers in the order of the items. A rejection rejects every item of the batch, but for one that an item can cause ({@link writeApart}): then the
   * batch is written again in halves until only that item fails. So writing an item twice has to be the same as once, or a
   * write that fails must leave nothing behind.
   */
  write: (items: T[]) => Promise<R[]>
  maxItems: number
  /** Batches under way at a time. */
  maxInFlight: number
  /** A batch beside one that is under way begins only when it has so many items (1): smaller ones wait for company, since each write costs about the same. */
  minBeside?: number
  /** Weight at which a batch is full (bytes, say); without `weigh` each item weighs nothing. */
  maxWeight?: number
  weigh?: (item: T) => number
}

/** Writes at a time while a batch is split. */
const SPLIT_WRITES = 8

/**
 * Group commit: what is added while a batch is being written goes into the next one, so that the batch grows with the load and an idle system waits for nothing.
 * The queue is bounded by its users: each waits for its answer before it adds more; {@link queuedWeight} is there for those who turn callers away.
 */
export class Batcher<T, R> {
  private queue: Entry<T, R>[] = []
  private inFlight = 0
  private isScheduled = false
  private weightInFlight = 0
  private weightQueued = 0
  private idleWaiters: (() => void)[] = []

  constructor(private readonly options: BatcherOptions<T, R>) {}

  /** Weight of what waits and of what is being written. */
  get queuedWeight(): number {
    return this.weightQueued + this.weightInFlight
  }

  get queuedItems(): number {
    return this.queue.length
  }

  add(item: T): Promise<R> {
    const weight = this.options.weigh?.(item) ?? 0
    this.weightQueued += weight
    return new Promise((resolve, reject) => {
      this.queue.push({ item, weight, resolve, reject })
      this.schedule()
    })
  }

  get isIdle(): boolean {
    return this.queue.length === 0 && this.inFlight === 0
  }

  /** Resolves when nothing waits and nothing is under way. */
  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve()
    return new Promise((resolve) => this.idleWaiters.push(resolve))
  }

  private canBegin(): boolean {
    if (this.inFlight === 0) return this.queue.length > 0
    return this.inFlight < this.options.maxInFlight && this.queue.length >= (this.options.minBeside ?? 1)
  }

  private schedule(): void {
    if (this.isScheduled || !this.canBegin()) return
    this.isScheduled = true
    setImmediate(() => {
      this.isScheduled = false
      this.flush()
    })
  }

  private flush(): void {
    while (this.canBegin()) {
      let count = 0
      let weight = 0
      for (const entry of this.queue) {
        if (count >= this.options.maxItems) break
        if (count > 0 && weight + entry.weight > (this.options.maxWeight ?? Infinity)) break
        weight += entry.weight
        count++
      }
      const batch = this.queue.splice(0, count)
      this.weightQueued -= weight
      this.weightInFlight += weight
      this.inFlight++
      void this.commit(batch, weight)
    }
  }

  /** Answers every item of the batch; never rejects. */
  private async commit(batch: Entry<T, R>[], weight: number): Promise<void> {
    const settle = await this.writeSplitting(batch)
    this.inFlight--
    this.weightInFlight -= weight
    settle()
    if (this.queue.length > 0) this.schedule()
    else if (this.inFlight === 0) for (const resolve of this.idleWaiters.splice(0)) resolve()
  }

  /** Resolves with what answers the items. */
  private async writeSplitting(batch: Entry<T, R>[]): Promise<() => void> {
    const settles: (() => void)[] = []
    const write = async (part: Entry<T, R>[]): Promise<void> => {
      const results = await this.options.write(part.map((entry) => entry.item))
      if (results.length !== part.length) throw new Error(`Batch of ${part.length} got ${results.length} answers`)
      const settle = (): void => part.forEach((entry, i) => entry.resolve(results[i] as R))
      // Of a batch that is split nobody waits for the bad items of others.
      if (part.length < batch.length) settle()
      else settles.push(settle)
    }
    await writeApart(batch, SPLIT_WRITES, write, (part, error) => settles.push(() => part.forEach((entry) => entry.reject(error))))
    return () => {
      for (const settle of settles) settle()
    }
  }
}
