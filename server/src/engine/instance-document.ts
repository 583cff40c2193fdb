import type { InstanceCause } from '@jobtrail/shared/api/instances'
import type { AttemptKey } from '@jobtrail/shared/domain/attempt-key'
import { INSTANCE_STATUSES, type InstanceStatus } from '@jobtrail/shared/domain/statuses'
import type { CollectionPlan } from '../platform/ensure-collection.js'
import { embeddedTask, isEmbedded, type TaskKey } from './domain/task-key.js'

/**
 * What changes while a task is queued, placed, retried and settled. A plain instance holds it in its own document, under these names: its one task costs no document and no write of
 * its own, and what becomes of the task becomes of the instance.
 */
type TaskState = {
  status: InstanceStatus
  /** Where it may be placed. */
  route: string
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
}

/** One run of a job, as stored. `_id` is a UUIDv7: its order is that of creation. */
export type InstanceDocument = TaskState & {
  _id: string
  namespace: string
  jobId: string
  jobName: string
  revision: number
  priority: number
  maxConcurrent: number
  params: Record<string, unknown>
  /** The JSON text of params that are not exact as an object; `params` is empty then. */
  paramsText?: string
  cause: InstanceCause
  /** Absent for runs by API, so that the unique index leaves them out. */
  scheduledFor?: Date
  idempotencyKey?: string
  /** Absent in instances of a former version: then any request with the key is taken for the same. */
  requestDigest?: string
  createdAt: Date
}

type WithTask = Pick<InstanceDocument, '_id' | 'attempt'>

/** The task whose state this document holds. */
export const taskOf = ({ _id }: Pick<InstanceDocument, '_id'>): TaskKey => embeddedTask(_id)
/** Of a task without an attempt it has the number 0, which no attempt has. */
export const latestAttemptOf = (document: WithTask): AttemptKey => ({ ...taskOf(document), attempt: document.attempt })
/** The attempt that comes next of a task that waits. */
export const nextAttemptOf = (document: WithTask): AttemptKey => ({ ...taskOf(document), attempt: document.attempt + 1 })

/** Whether the run has come to this attempt. One of a later number is about to be claimed, or never was: no worker has been given it. */
export const wasClaimed = ({ task, attempt }: Pick<AttemptKey, 'task' | 'attempt'>, instance: Pick<InstanceDocument, 'attempt'>): boolean =>
  !isEmbedded({ task }) || attempt <= instance.attempt

/** Where a page of instances ends. */
export type InstancePlace = Pick<InstanceDocument, 'namespace' | '_id'>

/** What a list of jobs shows of a run. */
export type StripDocument = Pick<InstanceDocument, '_id' | 'status' | 'createdAt' | 'dueAt' | 'startedAt' | 'finishedAt'>

/** What retention asks of a run. */
export type RunEnd = Pick<InstanceDocument, '_id' | 'namespace' | 'jobId' | 'status' | 'finishedAt' | 'attempt'>

/** What the queue asks of a task that waits. */
export type QueueableTask = Pick<InstanceDocument, '_id' | 'route' | 'priority' | 'attempt' | 'createdAt' | 'dueAt' | 'queuedAs'>

/** What the sweeps ask of a task that has not ended. */
export type UnfinishedTask = QueueableTask & Pick<InstanceDocument, 'namespace' | 'queued' | 'heldAt'>

/** What becomes of a task when this attempt at it has ended. */
export type Settlement = { key: AttemptKey } & (
  | { kind: 'final'; status: InstanceStatus; startedAt: Date | null; finishedAt: Date; error: string | null; result: unknown; resultText?: string | undefined }
  | { kind: 'retry'; dueAt: Date; queued: boolean; retriesUsed: number; unstartedLosses: number; error: string | null }
)

/** In this order it serves both the lists of a namespace and the sweeps over all of them: each index with the status in it is rewritten at each step of a run. */
export const BY_STATUS_AND_NAMESPACE = { status: 1, namespace: 1, _id: -1 } as const

export const BY_JOB = { jobId: 1, _id: -1 } as const

/** Of jobs with `maxConcurrent`: those that wait and are due, or soon, in the order in which they go on. */
export const LIMITED = 'limited'

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
  ],
}
