import { Injectable } from '@nestjs/common'
import type { Collection, Filter } from 'mongodb'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { type InstanceStatus, isFinalInstance, TASK_MOVES } from '@jobtrail/protocol/domain/statuses'
import { groupBy } from '../platform/group-by.js'
import { Metrics } from '../platform/metrics.js'
import { Mongo } from '../platform/mongo.js'
import type { Reads } from '../platform/reads.js'
import { type Change, updateAlike } from '../platform/update-alike.js'
import { isEmbedded, type TaskKey, taskKeyString } from './domain/task-key.js'
import { type InstanceDocument, type InstancePlace, latestAttemptOf, LIMITED, type Settlement, taskOf, type UnfinishedTask } from './instance-document.js'
import { from, to } from './move.js'

const CANCEL_BATCH = 1_000
const COUNT_LIMIT = 10_000
const UNFINISHED: InstanceStatus[] = ['WAITING', 'RUNNING']
const UNFINISHED_FIELDS = { namespace: 1, route: 1, priority: 1, attempt: 1, createdAt: 1, dueAt: 1, queued: 1, queuedAs: 1, heldAt: 1 } as const
/** A sweep's query that takes longer would hold up all else that it does. */
const SWEEP_QUERY_MS = 5_000

type TaskChange = { key: TaskKey } & Omit<Change<InstanceDocument>, 'id'>

/**
 * The states of tasks, and the only place that changes them. Each is embedded in the document of its instance. A key of any other task finds nothing and changes nothing; where such
 * tasks are to live is in docs/architecture.md.
 */
@Injectable()
export class TasksRepository {
  private readonly collection: Collection<InstanceDocument>
  private readonly reads: Reads<InstanceDocument>

  constructor(
    mongo: Mongo,
    private readonly metrics: Metrics,
  ) {
    this.collection = mongo.collection<InstanceDocument>('instances')
    this.reads = mongo.reads<InstanceDocument>('instances')
  }

  /** By {@link taskKeyString}. */
  async find(keys: readonly TaskKey[]): Promise<Map<string, InstanceDocument>> {
    const found = await this.collection.find({ _id: { $in: documentsOf(keys) } }).toArray()
    return new Map(found.map((document) => [taskKeyString(taskOf(document)), document]))
  }

  /** WAITING(attempt - 1) → RUNNING(attempt) for each; the number that changed. */
  async claim(claims: readonly AttemptKey[]): Promise<number> {
    const { modifiedCount } = await this.bulk(
      claims.map((key) => ({
        key,
        filter: { ...from(TASK_MOVES.claim), attempt: key.attempt - 1 },
        update: { $set: { ...to(TASK_MOVES.claim, 'RUNNING'), attempt: key.attempt, heldAt: null } },
      })),
    )
    return modifiedCount
  }

  /** Takes claims back: the attempts were never given to a worker. A task that a user cancelled meanwhile is CANCELLED, as a waiting one is. */
  async unclaim(claims: readonly AttemptKey[], at: Date): Promise<void> {
    const claimed = (cancelRequestedAt: null | { $ne: null }, set: { status: InstanceStatus; finishedAt?: Date }): TaskChange[] =>
      claims.map((key) => ({
        key,
        filter: { ...from(TASK_MOVES.unclaim), attempt: key.attempt, cancelRequestedAt },
        update: { $set: { ...set, attempt: key.attempt - 1 } },
      }))
    // In this order: a cancel between the two finds it WAITING, and ends it.
    await this.bulk(claimed(null, to(TASK_MOVES.unclaim, 'WAITING')))
    const { modifiedCount } = await this.bulk(claimed({ $ne: null }, { ...to(TASK_MOVES.unclaim, 'CANCELLED'), finishedAt: at }))
    this.countEnded('CANCELLED', modifiedCount)
  }

  /** The first attempt's start is the task's. */
  async markStarted(starts: readonly { key: AttemptKey; startedAt: Date }[]): Promise<void> {
    await this.bulk(starts.map(({ key, startedAt }) => ({ key, filter: { attempt: key.attempt, startedAt: null }, update: { $set: { startedAt } } })))
  }

  async hold(keys: readonly TaskKey[], at: Date): Promise<void> {
    await this.collection.updateMany({ _id: { $in: documentsOf(keys) }, status: 'WAITING', heldAt: null }, { $set: { heldAt: at } })
  }

  /** Those of a job that are held, in the order in which they go on. */
  findHeld(jobId: string, limit: number, more: { route?: string | { $nin: string[] } } = {}): Promise<InstanceDocument[]> {
    return this.collection
      .find({ jobId, status: 'WAITING', heldAt: { $type: 'date' }, ...more })
      .sort({ priority: -1, _id: 1 })
      .limit(limit)
      .toArray()
  }

  /** Those of a job with `maxConcurrent` that wait on a route and are due, in the order in which they go on. */
  findNextLimited(jobId: string, route: string, now: Date, limit: number): Promise<InstanceDocument[]> {
    return this.collection
      .find({ jobId, status: 'WAITING', queued: true, maxConcurrent: { $gt: 0 }, route, dueAt: { $lte: now } }, { hint: LIMITED, maxTimeMS: SWEEP_QUERY_MS })
      .sort({ priority: -1, _id: 1 })
      .limit(limit)
      .toArray()
  }

  /** The first job after `after` that has held tasks. A step of the index, however many there are of each job. */
  async nextJobWithHeld(after: string): Promise<string | undefined> {
    const first = await this.collection.findOne(
      { jobId: { $gt: after }, heldAt: { $type: 'date' } },
      { projection: { jobId: 1 }, sort: { jobId: 1, priority: -1, _id: 1 }, hint: 'held', maxTimeMS: SWEEP_QUERY_MS },
    )
    return first?.jobId
  }

  /** By {@link taskKeyString}, the latest attempt of each of these that waits. */
  async findWaiting(keys: readonly TaskKey[]): Promise<Map<string, number>> {
    const found = await this.collection.find({ _id: { $in: documentsOf(keys) }, status: 'WAITING' }, { projection: { attempt: 1 } }).toArray()
    return new Map(found.map((document) => [taskKeyString(taskOf(document)), document.attempt]))
  }

  /** Applies what follows from ended attempts; harmless when it was applied before, since attempt and status are in the filter. */
  async settle(settlements: readonly Settlement[]): Promise<void> {
    // Apart by outcome, for an answer has one count only.
    const outcomes = groupBy(settlements, (each): InstanceStatus => (each.kind === 'final' ? each.status : 'WAITING'))
    await Promise.all(
      [...outcomes].map(async ([status, alike]) => {
        const { modifiedCount } = await this.bulk(alike.map(settled))
        if (isFinalInstance(status)) this.countEnded(status, modifiedCount)
      }),
    )
  }

  /** False when it is not WAITING any more. */
  async cancelWaiting(id: string, at: Date): Promise<boolean> {
    const { modifiedCount } = await this.collection.updateOne(
      { _id: id, ...from(TASK_MOVES.cancel) },
      { $set: { ...to(TASK_MOVES.cancel, 'CANCELLED'), finishedAt: at, cancelRequestedAt: at, heldAt: null } },
    )
    this.countEnded('CANCELLED', modifiedCount)
    return modifiedCount === 1
  }

  /** Cancels some of what waits of a job or namespace; the IDs of the instances as far as they were WAITING. Empty: none is left. */
  async cancelSomeWaiting(of: { jobId: string } | { namespace: string }, at: Date, error: string): Promise<string[]> {
    const found = await this.collection
      .find({ ...of, ...from(TASK_MOVES.cancel) }, { projection: { _id: 1 } })
      .limit(CANCEL_BATCH)
      .toArray()
    const ids = found.map(({ _id }) => _id)
    if (ids.length > 0) {
      const { modifiedCount } = await this.collection.updateMany(
        { _id: { $in: ids }, ...from(TASK_MOVES.cancel) },
        { $set: { ...to(TASK_MOVES.cancel, 'CANCELLED'), finishedAt: at, cancelRequestedAt: at, heldAt: null, error } },
      )
      this.countEnded('CANCELLED', modifiedCount)
    }
    return ids
  }

  async hasUnfinished(jobId: string): Promise<boolean> {
    return (await this.collection.findOne({ jobId, status: { $in: UNFINISHED } }, { projection: { _id: 1 } })) !== null
  }

  /** Those of a namespace that run; first those that nobody has asked to end. */
  async findRunning(namespace: string, limit: number): Promise<{ id: string; isCancelled: boolean }[]> {
    const found = await this.collection
      .find({ status: 'RUNNING', namespace }, { projection: { cancelRequestedAt: 1 } })
      .sort({ cancelRequestedAt: 1 })
      .limit(limit)
      .toArray()
    return found.map(({ _id, cancelRequestedAt }) => ({ id: _id, isCancelled: cancelRequestedAt !== null }))
  }

  routesOf(keys: readonly TaskKey[]): Promise<string[]> {
    return this.collection.distinct('route', { _id: { $in: documentsOf(keys) } })
  }

  /** RUNNING stays so until the worker reports the end; the latest attempt, or null when it is not RUNNING. */
  async requestCancel(id: string, at: Date): Promise<AttemptKey | null> {
    const running = await this.collection.findOneAndUpdate(
      { _id: id, status: 'RUNNING' },
      [{ $set: { cancelRequestedAt: { $ifNull: ['$cancelRequestedAt', at] } } }],
      { projection: { attempt: 1 }, returnDocument: 'after' },
    )
    return running === null ? null : latestAttemptOf(running)
  }

  /** A task that has ended after this attempt WAITs again; the document as it is then, null when it was not as expected. */
  retryFinal(latest: AttemptKey, dueAt: Date): Promise<InstanceDocument | null> {
    const fresh = { finishedAt: null, cancelRequestedAt: null, retriesUsed: 0, unstartedLosses: 0, heldAt: null }
    return this.collection.findOneAndUpdate(
      { _id: { $in: documentsOf([latest]) }, attempt: latest.attempt, ...from(TASK_MOVES.retry) },
      { $set: { ...to(TASK_MOVES.retry, 'WAITING'), dueAt, queued: true, ...fresh } },
      { returnDocument: 'after' },
    )
  }

  /** WAITING, due until `until`, and not yet given to BullMQ. */
  findUnqueued(until: Date, limit: number): Promise<InstanceDocument[]> {
    return this.collection
      .find({ status: 'WAITING', queued: false, dueAt: { $lte: until } })
      .sort({ dueAt: 1 })
      .limit(limit)
      .toArray()
  }

  /**
   * A page of those that wait or run, after `after` in the order of their namespaces, last first, and of their making, oldest first: the index backwards. Without
   * another condition, so that no more is read than is given, however many there are of which kind.
   */
  findUnfinished(status: 'WAITING' | 'RUNNING', after: InstancePlace | undefined, limit: number): Promise<UnfinishedTask[]> {
    const rest = after === undefined ? {} : { $or: [{ namespace: after.namespace, _id: { $gt: after._id } }, { namespace: { $lt: after.namespace } }] }
    return this.collection
      .find<UnfinishedTask>({ status, ...rest }, { projection: UNFINISHED_FIELDS, maxTimeMS: SWEEP_QUERY_MS })
      .sort({ namespace: -1, _id: 1 })
      .limit(limit)
      .toArray()
  }

  async markQueued(keys: readonly TaskKey[]): Promise<void> {
    await this.collection.updateMany({ _id: { $in: documentsOf(keys) }, status: 'WAITING' }, { $set: { queued: true } })
  }

  /** Place in the queue of its route, from 1; counted up to a bound. */
  async position(task: InstanceDocument): Promise<number> {
    const ahead = await this.reads.countDocuments(
      {
        status: 'WAITING',
        route: task.route,
        heldAt: null,
        $or: [{ priority: { $gt: task.priority } }, { priority: task.priority, _id: { $lt: task._id } }],
        dueAt: { $lte: new Date() },
      },
      { limit: COUNT_LIMIT },
    )
    return ahead + 1
  }

  async countUnfinished(): Promise<Record<string, number>> {
    const groups = await this.collection
      .aggregate<{ _id: string; count: number }>([{ $match: { status: { $in: UNFINISHED } } }, { $group: { _id: '$status', count: { $sum: 1 } } }], {
        maxTimeMS: SWEEP_QUERY_MS,
      })
      .toArray()
    return Object.fromEntries(groups.map(({ _id, count }) => [_id, count]))
  }

  /** How many of a route wait, due or not, counted up to a bound. Whether they are due is not in the index, which would be longer for it. */
  countWaiting(route: string): Promise<number> {
    return this.collection.countDocuments({ status: 'WAITING', route }, { limit: COUNT_LIMIT, maxTimeMS: SWEEP_QUERY_MS })
  }

  /** Routes that something waits on. */
  waitingRoutes(): Promise<string[]> {
    return this.collection.distinct('route', { status: 'WAITING' }, { maxTimeMS: SWEEP_QUERY_MS })
  }

  private countEnded(status: InstanceStatus, count: number): void {
    this.metrics.instancesEnded.inc({ status }, count)
  }

  private async bulk(changes: readonly TaskChange[]): Promise<{ modifiedCount: number }> {
    const embedded = changes.flatMap(({ key, filter, update }) => (isEmbedded(key) ? [{ id: key.instanceId, filter, update }] : []))
    if (embedded.length === 0) return { modifiedCount: 0 }
    return this.collection.bulkWrite(updateAlike(embedded), { ordered: false })
  }
}

/** IDs of the documents that hold the states of these tasks. */
const documentsOf = (keys: readonly TaskKey[]): string[] => keys.filter(isEmbedded).map(({ instanceId }) => instanceId)

/** What becomes of a task, and so of a plain instance, when an attempt at it has ended: the one update that decides it. */
function settled(settlement: Settlement): TaskChange {
  const { key, error } = settlement
  const { attempt } = key
  // A task that is WAITING at this attempt already has its retry.
  const filter: Filter<InstanceDocument> = { attempt: { $lte: attempt }, ...from(TASK_MOVES.settle), $nor: [{ status: 'WAITING', attempt }] }
  if (settlement.kind === 'retry') {
    const { dueAt, queued, retriesUsed, unstartedLosses } = settlement
    // One that a user cancelled gets none.
    return {
      key,
      filter: { ...filter, cancelRequestedAt: null },
      update: { $set: { ...to(TASK_MOVES.settle, 'WAITING'), attempt, dueAt, queued, retriesUsed, unstartedLosses, error } },
    }
  }
  const { status, startedAt, finishedAt, result, resultText } = settlement
  const text = resultText === undefined ? {} : { resultText }
  const set = { ...to(TASK_MOVES.settle, status), attempt, finishedAt, error, result, ...text, ...(startedAt !== null && attempt === 1 ? { startedAt } : {}) }
  // Of a former attempt.
  const unset = resultText === undefined && attempt > 1 ? { $unset: { resultText: '' as const } } : {}
  return { key, filter, update: { $set: set, ...unset } }
}
