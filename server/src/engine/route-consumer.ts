import { randomUUID } from 'node:crypto'
import type { Job, Worker } from 'bullmq'
import { Logger } from '../platform/logging.js'
import { withTimeout } from '../platform/timeout.js'
import { MAX_GROUP, parseQueued } from './domain/queued-attempts.js'
import { type Route, routeName } from './domain/route.js'
import type { Fetched, Placement } from './placement.js'
import type { ConnectedWorker, WorkerSlots } from './ports/workers.js'

const FETCH_TIMEOUT_MS = 10_000
const MAX_FETCH = 128
const MAX_SLOTS = 500
/** Signals that lie further ahead are left to the poll. */
const MAX_TIMER_MS = 10_000
const MAX_TIMERS = 4_096
const ERROR_PAUSE_MS = 500
/** BullMQ goes by the wall clock of each server, signals by the time of the cluster: what was not there yet when it was due is looked for again after these pauses. */
const LOOKS_MS = [0, 5, 20, 80]

/** The poll looks several times in this time. */
const CLEAR_FOR_MS = 2_000

/** So many stale BullMQ jobs in a row: there are likely to be more, which are removed together. */
const STALE_IN_A_ROW = 8

type Taken = { job: Job<unknown, string>; token: string }

/**
 * Takes attempts of one route while workers connected to this server have free slots for it: slots are reserved first, then attempts fetched, so capacity is
 * the back-pressure and nothing sits on a server that cannot run it. BullMQ's own blocking wait is not used: it would keep a slot reserved, or fetch without one.
 */
export class RouteConsumer {
  private pumping: Promise<void> | undefined
  /** How many BullMQ jobs the next round asks for, if slots are free for what they held last time. */
  private wanted = 1
  /** The same for a round at a time for which something was announced: as many as came at the last such time, because schedules repeat themselves. */
  private wantedWhenDue = 1
  /** Attempts in a BullMQ job, as of the last that came. */
  private size = 1
  private isPumpWanted = false
  private isClosed = false
  private readonly timers = new Map<number, NodeJS.Timeout>()
  private readonly id = randomUUID()
  private fetches = 0
  /** When (monotonic) a fetch last came by without waiting for slots; undefined from when slots ran out until a fetch has left nothing behind. */
  private clearSince: number | undefined
  /** Jobs so far. */
  private taken = 0

  private staleInARow = 0

  private readonly wakeNow = (): void => this.wake()

  private readonly routeText: string

  constructor(
    private readonly route: Route,
    private readonly bull: Worker<unknown, string>,
    private readonly slots: WorkerSlots,
    private readonly placement: Placement,
    /** Removes stale BullMQ jobs of the route. */
    private readonly dropStale: () => Promise<void>,
    /** Slots went to attempts of this route. */
    private readonly onTaken: () => void,
    private readonly logger: Logger,
  ) {
    this.routeText = routeName(route)
  }

  /** Nothing that is due waits on the route for a slot, as far as this server can know. */
  get isClear(): boolean {
    return this.clearSince !== undefined && performance.now() - this.clearSince < CLEAR_FOR_MS
  }

  /** Something is about to wait. */
  noteWaiting(): void {
    this.clearSince = undefined
  }

  /** Something may be there to take, in `delayMs`. */
  wake(delayMs = 0): void {
    if (this.isClosed) return
    if (delayMs <= 0) {
      this.startPump()
      return
    }
    const at = Math.ceil((performance.now() + delayMs) / 2)
    if (delayMs > MAX_TIMER_MS || this.timers.size >= MAX_TIMERS || this.timers.has(at)) return
    this.timers.set(
      at,
      setTimeout(() => void this.takeDue(at), delayMs),
    )
  }

  /** Resolves when nothing is fetched any more; what was is in the hands of the placement by then. */
  async close(): Promise<void> {
    this.isClosed = true
    for (const timer of this.timers.values()) clearTimeout(timer)
    this.timers.clear()
    await this.pumping
    await this.bull.close()
  }

  /** Something should be there now. */
  private async takeDue(at: number): Promise<void> {
    const before = this.taken
    for (const pauseMs of LOOKS_MS) {
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
      this.wanted = Math.max(this.wanted, this.wantedWhenDue)
      this.startPump()
      await this.pumping
      if (this.taken > before || this.isClosed) break
    }
    this.wantedWhenDue = Math.min(MAX_FETCH, Math.max(1, this.taken - before))
    this.timers.delete(at)
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
      if (this.staleInARow >= STALE_IN_A_ROW) {
        this.staleInARow = 0
        // Before slots are reserved: stale jobs cost none.
        await this.dropStale()
      }
      const reserved = this.slots.reserve(this.route, Math.min(MAX_SLOTS, Math.max(MAX_GROUP, this.wanted * this.size)))
      if (reserved.length === 0) {
        this.clearSince = undefined
        this.slots.onceReturned(this.wakeNow)
        return
      }
      const asked = Math.min(this.wanted, Math.ceil(reserved.length / this.size))
      const taken = await this.fetch(asked, reserved)
      this.taken += taken.length
      if (taken.length > 0) this.onTaken()
      this.give(taken, reserved)
      // While slots never run out, what waits is on its way to one: it cannot be overtaken for long.
      if (taken.length < asked || this.clearSince !== undefined) this.clearSince = performance.now()
      if (taken.length < asked) {
        this.wanted = Math.max(1, taken.length)
        return
      }
      if (asked === this.wanted) this.wanted = Math.min(MAX_FETCH, this.wanted * 4)
    }
  }

  /** Hands jobs to the placement, each with slots for its attempts as far as there are; gives back the slots that are left. */
  private give(taken: readonly Taken[], reserved: ConnectedWorker[]): void {
    for (const { job, token } of taken) {
      const keys = parseQueued(job.data)
      if (keys === undefined) this.logger.error('Dropped a BullMQ job that is not ours', { bullJob: job.id })
      else this.size = keys.length
      const attempts = (keys ?? []).slice(0, reserved.length)
      const workers = reserved.splice(0, attempts.length)
      const placements = workers.flatMap((worker, i) => attempts.slice(i, i + 1).map((key) => ({ key, worker })))
      void this.place({ route: this.routeText, job, token, placements, rest: keys?.slice(attempts.length) ?? [] })
    }
    this.slots.giveBack(reserved)
  }

  private async place(fetched: Fetched): Promise<void> {
    const { isStale } = await this.placement.place(fetched)
    this.staleInARow = isStale ? this.staleInARow + 1 : 0
  }

  /** Up to `count` jobs. When it rejects, the reserved slots are given back. */
  private async fetch(count: number, reserved: readonly ConnectedWorker[]): Promise<Taken[]> {
    const fetches = Array.from({ length: count }, async (): Promise<Taken | undefined> => {
      const token = `${this.id}:${this.fetches++}`
      const job = await this.bull.getNextJob(token, { block: false })
      return job === undefined ? undefined : { job, token }
    })
    try {
      const results = await withTimeout(Promise.allSettled(fetches), FETCH_TIMEOUT_MS, 'Redis did not answer in time')
      const taken = results.flatMap((result) => (result.status === 'fulfilled' && result.value !== undefined ? [result.value] : []))
      const failure = results.find((result) => result.status === 'rejected')
      if (failure !== undefined && taken.length === 0) throw failure.reason
      return taken
    } catch (error) {
      // What comes after all stalls in BullMQ and is given out again.
      for (const worker of reserved) worker.release()
      throw error
    }
  }
}
