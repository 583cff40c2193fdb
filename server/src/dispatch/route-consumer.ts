import { randomUUID } from 'node:crypto'
import type { Worker } from 'bullmq'
import { Logger } from '../platform/logging.js'
import { withTimeout } from '../platform/timeout.js'
import type { WorkerRegistry } from '../workers/worker-registry.js'
import type { Route } from './domain/route.js'
import type { Fetched, Placement } from './placement.js'

const FETCH_TIMEOUT_MS = 10_000
const MAX_FETCH = 128
/** Signals that lie further ahead are left to the poll. */
const MAX_TIMER_MS = 10_000
const MAX_TIMERS = 4_096
const ERROR_PAUSE_MS = 500

/**
 * Takes attempts of one route while workers connected to this server have free slots for it: a slot is reserved first, then an attempt fetched, so capacity is
 * the back-pressure and nothing sits on a server that cannot run it. BullMQ's own blocking wait is not used: it would keep a slot reserved, or fetch without one.
 */
export class RouteConsumer {
  private pumping: Promise<void> | undefined
  /** How many attempts the next call asks for, if so many slots are free. */
  private wanted = 1
  private isPumpWanted = false
  private isClosed = false
  private readonly timers = new Map<number, NodeJS.Timeout>()
  private readonly id = randomUUID()
  private fetches = 0

  private readonly wakeNow = (): void => this.wake()

  constructor(
    private readonly route: Route,
    private readonly bull: Worker<unknown, string>,
    private readonly registry: WorkerRegistry,
    private readonly placement: Placement,
    private readonly logger: Logger,
  ) {}

  /** Something may be there to take, in `delayMs`. */
  wake(delayMs = 0): void {
    if (this.isClosed) return
    if (delayMs <= 0) {
      this.startPump()
      return
    }
    const at = Math.ceil((performance.now() + delayMs) / 2)
    if (delayMs > MAX_TIMER_MS || this.timers.size >= MAX_TIMERS || this.timers.has(at)) return
    const fire = (): void => {
      this.timers.delete(at)
      this.startPump()
    }
    this.timers.set(at, setTimeout(fire, delayMs))
  }

  /** Resolves when nothing is fetched any more; what was is in the hands of the placement by then. */
  async close(): Promise<void> {
    this.isClosed = true
    for (const timer of this.timers.values()) clearTimeout(timer)
    this.timers.clear()
    await this.pumping
    await this.bull.close()
  }

  private startPump(): void {
    this.isPumpWanted = true
    this.pumping ??= this.pump().finally(() => {
      this.pumping = undefined
      if (this.isPumpWanted) this.wake()
    })
  }

  /** Never rejects. */
  private async pump(): Promise<void> {
    try {
      while (this.isPumpWanted && !this.isClosed) {
        this.isPumpWanted = false
        await this.drain()
      }
    } catch (err) {
      this.logger.warn('Could not take from a route', { route: this.bull.name, err })
      this.isPumpWanted = false
      setTimeout(() => this.wake(), ERROR_PAUSE_MS * (0.5 + Math.random()))
    }
  }

  /**
   * Takes until the route is empty or no slot is free. Asks for as many as there were last time, and more while all of them come: a single attempt costs a single call,
   * and under load what the free slots can hold is fetched, placed and sent at once.
   */
  private async drain(): Promise<void> {
    while (!this.isClosed) {
      const reserved = this.registry.reserve(this.route, this.wanted)
      if (reserved.length === 0) {
        this.registry.onceReturned(this.wakeNow)
        return
      }
      const fetched = await this.fetch(reserved)
      for (const each of fetched) void this.placement.place(each)
      if (fetched.length < reserved.length) {
        this.wanted = Math.max(1, fetched.length)
        this.registry.slotsReturned()
        return
      }
      if (reserved.length === this.wanted) this.wanted = Math.min(MAX_FETCH, this.wanted * 4)
    }
  }

  private async fetch(reserved: Fetched['worker'][]): Promise<Fetched[]> {
    const fetches = reserved.map(async (worker): Promise<Fetched | undefined> => {
      const token = `${this.id}:${this.fetches++}`
      const job = await this.bull.getNextJob(token, { block: false })
      return job === undefined ? undefined : { job, token, worker }
    })
    let results: PromiseSettledResult<Fetched | undefined>[]
    try {
      results = await withTimeout(Promise.allSettled(fetches), FETCH_TIMEOUT_MS, 'Redis did not answer in time')
    } catch (error) {
      // What comes after all stalls in BullMQ and is given out again.
      for (const worker of reserved) worker.release()
      throw error
    }
    const fetched: Fetched[] = []
    let failure: PromiseRejectedResult | undefined
    results.forEach((result, i) => {
      if (result.status === 'fulfilled' && result.value !== undefined) fetched.push(result.value)
      else reserved[i]?.release()
      if (result.status === 'rejected') failure = result
    })
    if (failure !== undefined && fetched.length === 0) throw failure.reason
    return fetched
  }
}
