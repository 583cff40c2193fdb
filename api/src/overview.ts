import { z } from 'zod'
import { ATTEMPT_STATUSES } from '@jobtrail/protocol/domain/statuses'
import { Id, InputTime, NamespaceName, Timestamp } from './common.js'

/** Runs are counted by the time they were made. Default: the 24 hours until now. */
export const OverviewQuery = z.strictObject({ namespace: NamespaceName.optional(), from: InputTime.optional(), to: InputTime.optional() })
export type OverviewQuery = z.infer<typeof OverviewQuery>

const Ended = z.object({ succeeded: z.int(), failed: z.int(), timedOut: z.int(), cancelled: z.int() })
/** `lines`, `bytes`: of the logs of attempts of runs that were made in the time from `at` on, once they have ended. */
export const OverviewBucket = Ended.extend({ at: Timestamp, unfinished: z.int(), lines: z.int(), bytes: z.int() })
export type OverviewBucket = z.infer<typeof OverviewBucket>
/** `lastFailed`: the newest of its runs that failed or timed out. */
export const OverviewJob = z.object({
  jobId: Id,
  jobName: z.string(),
  namespace: z.string(),
  runs: z.int(),
  failed: z.int(),
  meanMs: z.number().nullable(),
  maxMs: z.number().nullable(),
  lastFailed: Id.nullable(),
})
export type OverviewJob = z.infer<typeof OverviewJob>
export const NextFire = z.object({ jobId: Id, jobName: z.string(), namespace: z.string(), at: Timestamp })
export type NextFire = z.infer<typeof NextFire>

/** How things stand, at a bounded cost. */
export const Overview = z.object({
  from: Timestamp,
  to: Timestamp,
  /** Later than `from` when there were more runs than are looked at: then all but `waiting` and `running` is of the newest ones. */
  since: Timestamp,
  /** The same of the logs: `lines` and `bytes` are of those attempts only that began since then. */
  logsSince: Timestamp,
  bucketMs: z.int(),
  /** Now, whenever made; counted up to 100,000. */
  waiting: z.int(),
  running: z.int(),
  ended: Ended,
  buckets: z.array(OverviewBucket),
  slowest: z.array(OverviewJob),
  failing: z.array(OverviewJob),
  nextFires: z.array(NextFire),
  /** Of the whole cluster: logs that ended and are not all stored half a minute later; logs with a gap. Counted up to 10,000. */
  logs: z.object({ late: z.int(), interrupted: z.int() }),
})
export type Overview = z.infer<typeof Overview>

/** An attempt that a worker holds now. */
export const WorkerRun = z.object({
  instanceId: Id,
  task: z.int(),
  attempt: z.int(),
  jobId: Id,
  jobName: z.string(),
  status: z.enum(ATTEMPT_STATUSES),
  dispatchedAt: Timestamp,
  startedAt: Timestamp.nullable(),
})
export type WorkerRun = z.infer<typeof WorkerRun>
export const WorkerRuns = z.object({ items: z.array(WorkerRun) })
export type WorkerRuns = z.infer<typeof WorkerRuns>
