import { Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { Interval } from '@nestjs/schedule'
import { Backoffs } from '../platform/backoffs.js'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { eachAlone } from '../platform/map-bounded.js'
import { Metrics } from '../platform/metrics.js'
import { Shutdown } from '../platform/shutdown.js'
import { UnderWay } from '../platform/under-way.js'
import { OutcomeHints } from './outcome-hints.js'
import { OutcomesRepository, type PendingRun } from './outcomes.repository.js'
import { OutcomeConsumers } from './ports/outcome-consumers.js'
import { SweepLock } from './sweep-lock.js'

const SWEEP_MS = 1_000
/** What ended a moment ago is being worked off by the server that settled it. */
const GRACE_MS = 1_000
const PAGE = 200
const PAGES_A_SWEEP = 10
/** More are left to the sweep. */
const MAX_QUEUED = 10_000
const ALONE_AT_ONCE = 4
const MEASURE_EVERY = 5

/**
 * Does what must follow from the end of a run. The run names it from its birth, so the very update that ends the run makes it pending (a partial index over ended runs with outcomes),
 * whichever server writes it. The settling server works it off at once; the sweep does what a crash left. A kind is taken out only after its consumer is done, and consumers may
 * be called again with the same run.
 */
@Injectable()
export class Outcomes implements OnApplicationBootstrap {
  private readonly backoffs = new Backoffs()
  private readonly underWay = new UnderWay()
  private readonly queued = new Set<string>()
  private isWorking = false
  private isSweeping = false
  private isStopped = false
  private round = 0

  constructor(
    private readonly repository: OutcomesRepository,
    private readonly consumers: OutcomeConsumers,
    private readonly hints: OutcomeHints,
    private readonly lock: SweepLock,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly shutdown: Shutdown,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.shutdown.register('take', 'outcomes', () => {
      this.isStopped = true
    })
    this.shutdown.register('finish', 'outcomes', () => this.idle())
  }

  /** To be told of runs that have just ended. Waits for nothing. */
  settled(ids: readonly string[]): void {
    for (const id of this.hints.take(ids)) if (this.queued.size < MAX_QUEUED) this.queued.add(id)
    if (this.queued.size > 0 && !this.isWorking) void this.underWay.track(this.workOff())
  }

  /** Resolves when nothing is being worked off. */
  idle(): Promise<void> {
    return this.underWay.idle()
  }

  @Interval(SWEEP_MS)
  async sweep(): Promise<void> {
    if (this.isSweeping || this.isStopped) return
    this.isSweeping = true
    try {
      if (this.lock.isOurs) await this.underWay.track(this.sweepElected())
      else this.metrics.outcomesPending.reset()
    } catch (err) {
      this.logger.warn('What follows from ended runs is not all done yet; the next sweep goes on', { err })
    } finally {
      this.isSweeping = false
    }
  }

  private async sweepElected(): Promise<void> {
    for (let pages = 0; pages < PAGES_A_SWEEP && !this.isStopped; pages++) {
      const now = this.clock.now()
      const page = await this.repository.findOld(new Date(now - GRACE_MS), this.backoffs.waiting(now), PAGE)
      await this.process(page)
      if (page.length < PAGE) break
    }
    if (this.round++ % MEASURE_EVERY === 0) this.metrics.outcomesPending.set(await this.repository.count())
  }

  /** Never rejects. */
  private async workOff(): Promise<void> {
    this.isWorking = true
    try {
      while (this.queued.size > 0) {
        const ids = [...this.queued].slice(0, PAGE)
        for (const id of ids) this.queued.delete(id)
        await this.process(await this.repository.findAmong(ids))
      }
    } catch (err) {
      this.queued.clear()
      this.logger.warn('What follows from ended runs is not done yet; the sweep will do it', { err })
    } finally {
      this.isWorking = false
    }
  }

  /** Each kind by itself: one whose consumer fails holds up no other. Rejects when a store is away. */
  private async process(runs: readonly PendingRun[]): Promise<void> {
    const kinds = [...new Set(runs.flatMap(({ outcomes }) => outcomes))]
    const failed = new Set<string>()
    await Promise.all(
      kinds.map(async (kind) => {
        const ofKind = runs.filter(({ outcomes }) => outcomes.includes(kind))
        for (const id of await this.consume(kind, ofKind)) failed.add(id)
      }),
    )
    for (const { _id } of runs) if (!failed.has(_id)) this.backoffs.succeeded(_id)
  }

  /** Answers the runs for which it failed, which are left alone for a while. */
  private async consume(kind: string, runs: readonly PendingRun[]): Promise<string[]> {
    const failed: string[] = []
    const all = async (some: readonly PendingRun[]): Promise<void> => {
      const consume = this.consumers.get(kind)
      if (consume === undefined) throw new Error(`This version does not know what "${kind}" is`)
      await consume(some)
      await this.repository.markDone(kind, some)
      this.metrics.outcomes.inc({ kind, result: 'done' }, some.length)
    }
    try {
      if (runs.length > 1) {
        await all(runs)
        return []
      }
    } catch (err) {
      this.logger.debug('What follows from several ended runs failed; each is tried by itself', { kind, runs: runs.length, err })
    }
    await eachAlone(
      runs,
      ALONE_AT_ONCE,
      (run) => all([run]),
      ({ _id }, err) => {
        failed.push(_id)
        const until = this.backoffs.failed(_id, this.clock.now())
        this.metrics.outcomes.inc({ kind, result: 'failed' })
        this.logger.error('What follows from the end of a run failed and is tried again', { instanceId: _id, kind, again: new Date(until).toISOString(), err })
      },
    )
    return failed
  }
}
