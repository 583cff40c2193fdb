import type { InstanceCause } from '@jobtrail/shared/api/instances'
import type { UserObject } from '@jobtrail/shared/json/exact-json'

/** What of a job an instance is made from: the instance keeps its revision, and what routing needs. */
export type InstanceJob = {
  id: string
  namespace: string
  name: string
  revision: number
  priority: number
  routing: { group: string; tags: string[] }
  /** The handler of the SDK that a worker must have; null for other processors. */
  handler: string | null
  maxConcurrent: number
  /** What has to follow from the end of its runs, by the kinds of `OutcomeConsumers`. */
  outcomes?: readonly string[]
}

/** An instance to be made. `params` are the run's, merged over the job's by whoever makes it. Times are ms since the epoch. */
export type NewInstance = {
  job: InstanceJob
  params: UserObject
  cause: InstanceCause
  /** The time of the trigger: at most one instance of a job has it; null for runs by API. */
  scheduledFor: number | null
  dueAt: number
  /** At most one instance of a job has it. */
  idempotencyKey?: string | undefined
  /** Of the request with that key: another one with the same key is refused. */
  requestDigest?: string | undefined
}
