import { Injectable, type OnModuleInit } from '@nestjs/common'
import { Interval } from '@nestjs/schedule'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { Shutdown } from '../platform/shutdown.js'
import { FireRound } from './fire-round.js'
import { SchedulerLock } from './scheduler-lock.js'

const TICK_MS = 500
const LONGEST_PAUSE_MS = 5_000
/** After this long a round ends and the next tick goes on: so that a long catch-up after an outage still renews the lock and can be stopped. */
const LONGEST_ROUND_MS = 10_000

/**
 * The scheduler. Every server ticks; the one that has the lock fires. Without Redis each does, which costs double work and nothing else.
 * A server that dies holds the lock for at most 3 s; what was due meanwhile was stored 2 s ahead, and the rest fires late, but fires.
 */
@Injectable()
export class SchedulesService implements OnModuleInit {
  private leading = false
  private stopped = false
  private current: Promise<void> | undefined
  private failures = 0
  private pausedUntil = 0

  constructor(
    private readonly round: FireRound,
    private readonly lock: SchedulerLock,
    private readonly clock: Clock,
    private readonly shutdown: Shutdown,
    private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.shutdown.register('take', 'scheduler', () => this.stop())
  }

  /** Whether this server does the scheduling at present. */
  get isLeader(): boolean {
    return this.leading
  }

  /** Called by the timer. Ticks do not overlap: one that finds the last still at work does nothing. */
  @Interval('scheduler', TICK_MS)
  async tick(): Promise<void> {
    if (this.stopped || this.current !== undefined || this.clock.now() < this.pausedUntil) return
    this.current = this.work()
    await this.current
    this.current = undefined
  }

  /** Never rejects. */
  private async work(): Promise<void> {
    try {
      const endAt = this.clock.now() + LONGEST_ROUND_MS
      while (await this.mayLead()) {
        const isMore = await this.round.runPage()
        if (!isMore || this.clock.now() >= endAt) break
      }
      this.failures = 0
    } catch (err) {
      this.failures++
      const pauseMs = Math.min(LONGEST_PAUSE_MS, TICK_MS * 2 ** Math.min(this.failures, 10)) * (0.5 + Math.random() / 2)
      this.pausedUntil = this.clock.now() + pauseMs
      this.logger.error('A scheduling round failed; the next one does it again', { err, pauseMs: Math.round(pauseMs) })
    }
  }

  private async mayLead(): Promise<boolean> {
    if (this.stopped) return false
    const answer = await this.lock.take()
    this.leading = answer !== 'others'
    return this.leading
  }

  private async stop(): Promise<void> {
    this.stopped = true
    await this.current
    this.leading = false
    await this.lock.release().catch((err: unknown) => this.logger.debug('The lock of the scheduler was not released; it runs out by itself', { err }))
  }
}
