import { fireTimesBetween, nextFireAfter } from '@jobtrail/api/next-fire'
import type { NewInstance } from '../../engine/domain/new-instance.js'
import { type Advance, type DueJob, instanceJobOf } from '../../jobs/domain/job.js'

/** What is to be stored for one job, and then where its next fire time moves. */
export type PlannedJob = { instances: NewInstance[]; advance: Advance }
export type FirePlan = {
  planned: PlannedJob[]
  /** Jobs whose fire times could not be computed. */
  failed: { jobId: string; error: unknown }[]
}
export type PlanLimits = { perJob: number; total: number }

/**
 * The instances of all fire times up to `horizon` (ms), late ones too: what an outage held up fires now. A job with more than `perJob` keeps the rest for the next
 * plan, and so do jobs beyond `total` instances.
 */
export function planFires(jobs: readonly DueJob[], horizon: number, limits: PlanLimits): FirePlan {
  const plan: FirePlan = { planned: [], failed: [] }
  let room = limits.total
  for (const job of jobs) {
    if (room <= 0) break
    try {
      const planned = planJob(job, horizon, Math.min(limits.perJob, room))
      room -= planned.instances.length
      plan.planned.push(planned)
    } catch (error) {
      plan.failed.push({ jobId: job._id, error })
    }
  }
  return plan
}

function planJob(job: DueJob, horizon: number, limit: number): PlannedJob {
  const first = job.nextFireAt.getTime()
  const anchor = job.fireAnchor.getTime()
  const times = [first]
  let next = nextFireAfter(job.trigger, first, anchor)
  while (next !== undefined && next <= horizon && times.length < limit) {
    times.push(next)
    next = nextFireAfter(job.trigger, next, anchor)
  }
  return {
    instances: instancesAt(job, times),
    advance: { jobId: job._id, revision: job.revision, from: job.nextFireAt, to: next === undefined ? null : new Date(next) },
  }
}

/**
 * The instances of fire times after `after` and up to `until`, of jobs whose next fire time lies before that: newest first, whichever job they are of. A job whose times cannot
 * be computed has none here.
 */
export function planCurrent(jobs: readonly DueJob[], after: (jobId: string) => number, until: number, limits: PlanLimits): NewInstance[] {
  const instances = jobs.flatMap((job) => {
    try {
      return instancesAt(job, fireTimesBetween(job.trigger, after(job._id), until, job.fireAnchor.getTime(), limits.perJob))
    } catch {
      // planFires says so of the job, and sets it aside.
      return []
    }
  })
  return instances.toSorted((a, b) => b.dueAt - a.dueAt).slice(0, limits.total)
}

function instancesAt(job: DueJob, times: readonly number[]): NewInstance[] {
  const instanceJob = instanceJobOf(job)
  return times.map((at) => ({ job: instanceJob, params: job.params, cause: { kind: 'schedule', by: null }, scheduledFor: at, dueAt: at }))
}
