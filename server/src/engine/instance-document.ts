import type { InstanceCause } from '@jobtrail/shared/api/instances'
import type { AttemptKey } from '@jobtrail/shared/domain/attempt-key'
import { INSTANCE_STATUSES, type InstanceStatus } from '@jobtrail/shared/domain/statuses'
import type { CollectionPlan } from '../platform/ensure-collection.js'

/** One run of a job, as stored. `_id` is a UUIDv7: its order is that of creation. */
export type InstanceDocument = {
  _id: string
  namespace: string
  jobId: string
  jobName: string
  revision: number
  route: string
  priority: number
  maxConcurrent: number
  params: Record<string, unknown>
  /** The JSON text of params that are not exact as an object; `params` is empty then. */
  paramsText?: string
  cause: InstanceCause
  status: InstanceStatus
  /** Absent for runs by API, so that the unique index leaves them out. */
  scheduledFor?: Date
  idempotencyKey?: string
  /** Absent in instances of a former version: then any request with the key is taken for the same. */
  requestDigest?: string
  createdAt: Date
  dueAt: Date
  startedAt: Date | null
  finishedAt: Date | null
  /** Number of the latest attempt, 0 before the first. */
  attempt: number
  /** Attempts that the retry policy has paid for. */
  retriesUsed: number
  /** Attempts that were lost before they started. */
  unstartedLosses: number
  /** Whether it was given to BullMQ; false while it is due too far ahead. Redis may have lost it all the same. */
  queued: boolean
  /** The BullMQ job that its first attempt shares with other runs. Absent when that has a job of its own. */
  queuedAs?: string
  /** Since when it waits for another instance of its job to end; null when it does not. */
  heldAt: Date | null
  cancelRequestedAt: Date | null
  error: string | null
  result: unknown
  /** The JSON text of a result that is not exact as a value; `result` is null then. */
  resultText?: string
  /** What has to follow from its end, by the kinds of `OutcomeConsumers`: noted at its birth, pending once it has ended, taken out when done. Absent where nothing follows. */
  outcomes?: string[]
  /** What has followed: due again when a user retries it. */
  outcomesDone?: string[]
}

/** The attempt that comes next of one that waits. */
export const nextAttemptOf = ({ _id, attempt }: Pick<InstanceDocument, '_id' | 'attempt'>): AttemptKey => ({ instanceId: _id, task: 0, attempt: attempt + 1 })

/** Where a page of instances ends. */
export type InstancePlace = Pick<InstanceDocument, 'namespace' | '_id'>

/** What a list of jobs shows of a run. */
export type StripDocument = Pick<InstanceDocument, '_id' | 'status' | 'createdAt' | 'dueAt' | 'startedAt' | 'finishedAt'>

/** What retention asks of a run. */
export type RunEnd = Pick<InstanceDocument, '_id' | 'status' | 'finishedAt' | 'attempt'>

/** What the queue asks of one that waits. */
export type QueueableInstance = Pick<InstanceDocument, '_id' | 'route' | 'priority' | 'attempt' | 'createdAt' | 'dueAt' | 'queuedAs'>

/** What the sweeps ask of one that has not ended. */
export type UnfinishedInstance = QueueableInstance & Pick<InstanceDocument, 'namespace' | 'queued' | 'heldAt'>

/** What becomes of an instance when its attempt `attempt` has ended. */
export type Settlement = { instanceId: string; attempt: number } & (
  | { kind: 'final'; status: InstanceStatus; startedAt: Date | null; finishedAt: Date; error: string | null; result: unknown; resultText?: string | undefined }
  | { kind: 'retry'; dueAt: Date; queued: boolean; retriesUsed: number; unstartedLosses: number; error: string | null }
)

/** In this order it serves both the lists of a namespace and the sweeps over all of them: each index with the status in it is rewritten at each step of a run. */
export const BY_STATUS_AND_NAMESPACE = { status: 1, namespace: 1, _id: -1 } as const

export const BY_JOB = { jobId: 1, _id: -1 } as const

/** Of jobs with `maxConcurrent`: those that wait and are due, or soon, in the order in which they go on. */
export const LIMITED = 'limited'

/** Of runs that have ended, and from which something still has to follow. Few are, and never for long. */
export const OUTCOMES = 'outcomes'

/** The collection, with its indexes. Of its fields those that decide what runs: checking all of them cost a tenth of the runs a second. */
export const INSTANCES: CollectionPlan = {
  name: 'instances',
  fields: { namespace: 'string', jobId: 'string', status: { enum: [...INSTANCE_STATUSES] }, attempt: 'number', dueAt: 'date' },
  indexes: [
    { key: { jobId: 1, scheduledFor: 1 }, unique: true, partialFilterExpression: { scheduledFor: { $exists: true } } },
    { key: { jobId: 1, idempotencyKey: 1 }, unique: true, partialFilterExpression: { idempotencyKey: { $exists: true } } },
    { key: BY_JOB },
    { key: BY_STATUS_AND_NAMESPACE },
    { key: { status: 1, route: 1, priority: -1, _id: 1 }, partialFilterExpression: { status: 'WAITING' } },
    { key: { dueAt: 1 }, name: 'unqueued', partialFilterExpression: { status: 'WAITING', queued: false } },
    { key: { jobId: 1, priority: -1, _id: 1 }, name: 'held', partialFilterExpression: { heldAt: { $type: 'date' } } },
    { key: { jobId: 1, priority: -1, _id: 1 }, name: LIMITED, partialFilterExpression: { status: 'WAITING', queued: true, maxConcurrent: { $gt: 0 } } },
    // A run with outcomes comes into it by the update that sets `finishedAt`, whoever writes that.
    { key: { finishedAt: 1 }, name: OUTCOMES, partialFilterExpression: { outcomes: { $exists: true }, finishedAt: { $type: 'date' } } },
  ],
}
