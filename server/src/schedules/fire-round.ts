import { Injectable } from '@nestjs/common'
import { MISSED_AFTER_MS } from '../engine/domain/missed.js'
import type { NewInstance } from '../engine/domain/new-instance.js'
import { InstancesService } from '../engine/instances.service.js'
import type { DueJob } from '../jobs/domain/job.js'
import { JobScheduleService } from '../jobs/job-schedule.service.js'
import { Backoffs } from '../platform/backoffs.js'
import { Clock } from '../platform/clock.js'
import { isUnavailable } from '../platform/http/unavailable.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { type FirePlan, planCurrent, planFires, type PlannedJob } from './domain/plan-fires.js'

/** Instances due within this time are stored now; BullMQ holds them until they are due. */
export const LOOK_AHEAD_MS = 2_000
const PAGE_JOBS = 500
const LIMITS = { perJob: 100, total: 5_000 }
/** Of missed fires fewer at a time: what is due now is looked for between. */
const MISSED_LIMITS = { perJob: 100, total: 1_000 }
const INSERT_AT_ONCE = 1_000
/** This many jobs in a row that fail one by one: the fault is not theirs. */
const MAX_FAILURES_IN_A_ROW = 3

/**
 * Stores the instances of jobs that are due soon, then advances the jobs. Every step may be done twice, or by two servers at a time, and a crash between any two
 * harms nothing: an instance that exists already is not made again, and a job is advanced only from the fire time and revision that were planned.
 */
@Injectable()
export class FireRound {
  private readonly backoff = new Backoffs()
  /** Of jobs that are behind: up to when what was due meanwhile is stored already. */
  private readonly firedUpTo = new Map<string, number>()

  constructor(
    private readonly jobs: JobScheduleService,
    private readonly instances: InstancesService,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
  ) {}

  /** One page of due jobs; false when there are no more. What is due now comes first, what an outage held up after it. Rejects when nothing can be stored at present. */
  async runPage(): Promise<boolean> {
    const now = this.clock.now()
    const [missedUntil, horizon] = [now - MISSED_AFTER_MS, now + LOOK_AHEAD_MS]
    const due = await this.jobs.due({ after: missedUntil, until: horizon }, PAGE_JOBS, this.backoff.waiting(now))
    if (due.length > 0) {
      await this.firePlan(planFires(due, horizon, LIMITS))
      return true
    }
    const behind = await this.jobs.due({ after: 0, until: missedUntil }, PAGE_JOBS, this.backoff.waiting(now))
    if (behind.length === 0) {
      this.firedUpTo.clear()
      return false
    }
    await this.fireCurrent(behind, missedUntil, horizon)
    await this.firePlan(planFires(behind, missedUntil, MISSED_LIMITS))
    return true
  }

  private async firePlan({ planned, failed }: FirePlan): Promise<void> {
    for (const { jobId, error } of failed) this.setAside(jobId, error)
    try {
      await this.fire(planned)
    } catch (error) {
      if (isUnavailable(error)) throw error
      this.logger.warn('Could not fire jobs together; trying them one by one', { jobs: planned.length, err: error })
      await this.fireOneByOne(planned)
    }
  }

  /**
   * Of jobs that are behind, what is due now: it need not wait until all that was missed is stored. The jobs are not advanced, so they come by these times again, and make
   * nothing a second time.
   */
  private async fireCurrent(behind: readonly DueJob[], after: number, until: number): Promise<void> {
    const current = planCurrent(behind, (jobId) => Math.max(after, this.firedUpTo.get(jobId) ?? 0), until, LIMITS)
    try {
      for (let from = 0; from < current.length; from += INSERT_AT_ONCE) await this.store(current.slice(from, from + INSERT_AT_ONCE))
    } catch (error) {
      if (isUnavailable(error)) throw error
      // Whichever job is at fault is found when its turn comes.
      this.logger.warn('Could not fire jobs that are behind ahead of what they missed', { jobs: behind.length, err: error })
      return
    }
    for (const { job, scheduledFor } of current) if (scheduledFor !== null) this.firedUpTo.set(job.id, Math.max(scheduledFor, this.firedUpTo.get(job.id) ?? 0))
  }

  private async fire(planned: PlannedJob[]): Promise<void> {
    const instances = planned.flatMap((job) => job.instances)
    for (let from = 0; from < instances.length; from += INSERT_AT_ONCE) await this.store(instances.slice(from, from + INSERT_AT_ONCE))
    await this.jobs.advance(planned.map(({ advance }) => advance))
    for (const { advance } of planned) this.backoff.succeeded(advance.jobId)
  }

  private async store(instances: NewInstance[]): Promise<void> {
    const stored = await this.instances.createMany(instances)
    const now = this.clock.now()
    stored.forEach(({ created }, i) => {
      const scheduledFor = instances[i]?.scheduledFor ?? now
      if (created) this.metrics.fireDelay.observe(Math.max(0, now - scheduledFor) / 1_000)
    })
  }

  /** Finds the job whose data is at fault, so that it holds up no other. */
  private async fireOneByOne(planned: PlannedJob[]): Promise<void> {
    let inARow = 0
    for (const job of planned) {
      try {
        await this.fire([job])
        inARow = 0
      } catch (error) {
        this.setAside(job.advance.jobId, error)
        if (isUnavailable(error) || ++inARow >= MAX_FAILURES_IN_A_ROW) throw error
      }
    }
  }

  private setAside(jobId: string, err: unknown): void {
    const retryAt = new Date(this.backoff.failed(jobId, this.clock.now())).toISOString()
    this.logger.error('Could not fire a job; its fire times are kept and tried again', { jobId, retryAt, err })
  }
}
