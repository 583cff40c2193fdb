import { Injectable, type OnModuleInit } from '@nestjs/common'
import { type ClientSession, type Collection, type Filter, MongoServerError } from 'mongodb'
import { FINISHED_STATUSES, INSTANCE_STATUSES, type InstanceStatus, isFinalInstance } from '@jobtrail/shared/domain/statuses'
import { groupBy } from '../platform/group-by.js'
import { ensureCollection } from '../platform/ensure-collection.js'
import { Metrics } from '../platform/metrics.js'
import { duplicatesOf, Mongo } from '../platform/mongo.js'
import type { Reads } from '../platform/reads.js'
import { type Change, updateAlike } from '../platform/update-alike.js'
import {
  BY_JOB,
  BY_STATUS_AND_NAMESPACE,
  type InstanceDocument,
  type InstancePlace,
  INSTANCES,
  LIMITED,
  type RunEnd,
  type Settlement,
  type StripDocument,
  type UnfinishedInstance,
} from './instance-document.js'
import type { LogOwner } from './ports/attempt-logs.js'

const CANCEL_BATCH = 1_000
const COUNT_LIMIT = 10_000
const UNFINISHED: InstanceStatus[] = ['WAITING', 'RUNNING']
const UNFINISHED_FIELDS = { namespace: 1, route: 1, priority: 1, attempt: 1, createdAt: 1, dueAt: 1, queued: 1, queuedAs: 1, heldAt: 1 } as const
/** A sweep's query that takes longer would hold up all else that it does. */
const SWEEP_QUERY_MS = 5_000
/** There are up to a hundred such looks in a step of retention. */
const LOOK_MS = 500
const MAX_TIME_EXPIRED = 50
/** A reply of MongoDB is decoded in one go: with results of up to 64 KiB this keeps it to a few milliseconds. */
const RESULTS_AT_ONCE = 25
/** Later than any that can be stored. */
const LAST_DATE = new Date(8.64e15)
const END = { namespace: 1, jobId: 1, status: 1, finishedAt: 1, attempt: 1 } as const

/** What is asked of an instance that was there before another of its kind. */
export type FirstInstance = Pick<InstanceDocument, '_id' | 'jobId' | 'scheduledFor' | 'idempotencyKey' | 'requestDigest'>

@Injectable()
export class InstancesRepository implements OnModuleInit {
  private readonly collection: Collection<InstanceDocument>
  private readonly reads: Reads<InstanceDocument>

  constructor(
    private readonly mongo: Mongo,
    private readonly metrics: Metrics,
  ) {
    this.collection = mongo.collection<InstanceDocument>('instances')
    this.reads = mongo.reads<InstanceDocument>('instances')
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, INSTANCES)
  }

  /** Indexes of those that exist already, by scheduled time or idempotency key. May be called again with the same documents. */
  async insertMany(documents: readonly InstanceDocument[]): Promise<Set<number>> {
    try {
      await this.collection.insertMany([...documents], { ordered: false })
      return new Set()
    } catch (error) {
      return duplicatesOf(error, { ownIds: true })
    }
  }

  /** Instances by what makes them unique within their job. */
  async findByOrigin(origins: { jobId: string; scheduledFor?: Date; idempotencyKey?: string }[]): Promise<(FirstInstance | undefined)[]> {
    const found = await this.collection
      .find<FirstInstance>({ $or: origins }, { projection: { jobId: 1, scheduledFor: 1, idempotencyKey: 1, requestDigest: 1 } })
      .toArray()
    return origins.map((origin) =>
      found.find(
        (each) =>
          each.jobId === origin.jobId &&
          (origin.scheduledFor === undefined ? each.idempotencyKey === origin.idempotencyKey : each.scheduledFor?.getTime() === origin.scheduledFor.getTime()),
      ),
    )
  }

  findById(id: string): Promise<InstanceDocument | null> {
    return this.collection.findOne({ _id: id })
  }

  /** For somebody who looks at it. */
  look(id: string): Promise<InstanceDocument | null> {
    return this.reads.findOne({ _id: id })
  }

  /** How far those of these are that there are. */
  async progressOf(ids: readonly string[]): Promise<Map<string, Pick<InstanceDocument, 'status' | 'attempt'>>> {
    const found = await this.collection.find({ _id: { $in: [...ids] } }, { projection: { status: 1, attempt: 1 } }).toArray()
    return new Map(found.map(({ _id, status, attempt }) => [_id, { status, attempt }]))
  }

  async isAnyStored(): Promise<boolean> {
    return (await this.collection.findOne({}, { projection: { _id: 1 } })) !== null
  }

  /** Whose the runs are, by their IDs. */
  async ownersOf(ids: readonly string[]): Promise<Map<string, LogOwner>> {
    if (ids.length === 0) return new Map()
    const found = await this.collection.find({ _id: { $in: [...new Set(ids)] } }, { projection: { namespace: 1, jobId: 1 } }).toArray()
    return new Map(found.map(({ _id, namespace, jobId }) => [_id, { namespace, jobId }]))
  }

  findMany(ids: string[]): Promise<InstanceDocument[]> {
    return this.collection.find({ _id: { $in: ids } }).toArray()
  }

  /** Those of a namespace with IDs in (after, before), in order. Every status is named so that the index gives them in the order of their IDs; and the index, because IDs alone would lead over other namespaces' runs. */
  findEnds(namespace: string, after: string, before: string, limit: number): Promise<RunEnd[]> {
    return this.collection
      .find({ namespace, status: { $in: [...INSTANCE_STATUSES] }, _id: { $gt: after, $lt: before } }, { projection: END, hint: BY_STATUS_AND_NAMESPACE })
      .sort({ _id: 1 })
      .limit(limit)
      .toArray()
  }

  findEndsById(ids: readonly string[]): Promise<RunEnd[]> {
    return this.collection.find({ _id: { $in: [...ids] } }, { projection: END }).toArray()
  }

  /** Deletes those that ended before `endedBefore`, and answers which of `ids` are not there any more. */
  async deleteEnded(ids: readonly string[], endedBefore: Date, session: ClientSession): Promise<string[]> {
    await this.collection.deleteMany({ _id: { $in: [...ids] }, status: { $in: [...FINISHED_STATUSES] }, finishedAt: { $lt: endedBefore } }, { session })
    const left = await this.collection.find({ _id: { $in: [...ids] } }, { projection: { _id: 1 }, session }).toArray()
    const kept = new Set(left.map(({ _id }) => _id))
    return ids.filter((id) => !kept.has(id))
  }

  /** Deletes those that have ended, and answers which of `ids` are not there any more. */
  async deleteFinished(ids: readonly string[], session: ClientSession): Promise<string[]> {
    return this.deleteEnded(ids, LAST_DATE, session)
  }

  /** Newest first, without params, and without results unless they are asked for. */
  list(filter: Filter<InstanceDocument>, limit: number, { withResult = false }: { withResult?: boolean } = {}): Promise<InstanceDocument[]> {
    const withoutParams = { params: 0, paramsText: 0 }
    const options = withResult ? { projection: withoutParams, batchSize: RESULTS_AT_ONCE } : { projection: { ...withoutParams, result: 0, resultText: 0 } }
    return this.reads.find(filter, options).sort({ _id: -1 }).limit(limit).toArray()
  }

  /** The newest `limit` of each job, newest first: one walk of the index a job, so it costs the same however long their histories are. */
  lastOfJobs(jobIds: string[], filter: Filter<InstanceDocument>, limit: number): Promise<{ jobId: string; runs: StripDocument[] }[]> {
    return this.reads
      .aggregateDocuments<{ jobId: string; runs: StripDocument[] }>([
        { $documents: jobIds.map((jobId) => ({ jobId })) },
        {
          $lookup: {
            from: this.collection.collectionName,
            localField: 'jobId',
            foreignField: 'jobId',
            pipeline: [
              { $match: filter },
              { $sort: { _id: -1 } },
              { $limit: limit },
              { $project: { status: 1, createdAt: 1, dueAt: 1, startedAt: 1, finishedAt: 1 } },
            ],
            as: 'runs',
          },
        },
      ])
      .toArray()
  }

  /** WAITING(attempt - 1) → RUNNING(attempt) for each; the number that changed. */
  async claim(claims: { instanceId: string; attempt: number }[]): Promise<number> {
    const { modifiedCount } = await this.bulk(
      claims.map(({ instanceId, attempt }) => ({
        id: instanceId,
        filter: { status: 'WAITING', attempt: attempt - 1 },
        update: { $set: { status: 'RUNNING', attempt, heldAt: null } },
      })),
    )
    return modifiedCount
  }

  /** Takes claims back: the attempts were never given to a worker. An instance that a user cancelled meanwhile is CANCELLED, as a waiting one is. */
  async unclaim(claims: { instanceId: string; attempt: number }[], at: Date): Promise<void> {
    const claimed = (cancelRequestedAt: null | { $ne: null }, set: { status: InstanceStatus; finishedAt?: Date }): Change<InstanceDocument>[] =>
      claims.map(({ instanceId, attempt }) => ({
        id: instanceId,
        filter: { status: 'RUNNING', attempt, cancelRequestedAt },
        update: { $set: { ...set, attempt: attempt - 1 } },
      }))
    // In this order: a cancel between the two finds it WAITING, and ends it.
    await this.bulk(claimed(null, { status: 'WAITING' }))
    const { modifiedCount } = await this.bulk(claimed({ $ne: null }, { status: 'CANCELLED', finishedAt: at }))
    this.countEnded('CANCELLED', modifiedCount)
  }

  /** The first attempt's start is the instance's. */
  async markStarted(starts: { instanceId: string; attempt: number; startedAt: Date }[]): Promise<void> {
    await this.bulk(
      starts.map(({ instanceId, attempt, startedAt }) => ({ id: instanceId, filter: { attempt, startedAt: null }, update: { $set: { startedAt } } })),
    )
  }

  async hold(ids: string[], at: Date): Promise<void> {
    await this.collection.updateMany({ _id: { $in: ids }, status: 'WAITING', heldAt: null }, { $set: { heldAt: at } })
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

  /** The first job after `after` that has held instances. A step of the index, however many there are of each job. */
  async nextJobWithHeld(after: string): Promise<string | undefined> {
    const first = await this.collection.findOne(
      { jobId: { $gt: after }, heldAt: { $type: 'date' } },
      { projection: { jobId: 1 }, sort: { jobId: 1, priority: -1, _id: 1 }, hint: 'held', maxTimeMS: SWEEP_QUERY_MS },
    )
    return first?.jobId
  }

  /** The latest attempt of each of these that waits. */
  async findWaiting(ids: readonly string[]): Promise<Map<string, number>> {
    const found = await this.collection.find({ _id: { $in: [...ids] }, status: 'WAITING' }, { projection: { attempt: 1 } }).toArray()
    return new Map(found.map(({ _id, attempt }) => [_id, attempt]))
  }

  /** Applies what follows from ended attempts; harmless when it was applied before, since attempt and status are in the filter. */
  async settle(settlements: Settlement[]): Promise<void> {
    // Apart by outcome, for an answer has one count only.
    const outcomes = groupBy(settlements, (each): InstanceStatus => (each.kind === 'final' ? each.status : 'WAITING'))
    await Promise.all(
      [...outcomes].map(async ([status, alike]) => {
        const { modifiedCount } = await this.bulk(alike.map(settled))
        if (isFinalInstance(status)) this.countEnded(status, modifiedCount)
      }),
    )
  }

  /** WAITING → CANCELLED; false when it is not WAITING any more. */
  async cancelWaiting(id: string, at: Date): Promise<boolean> {
    const { modifiedCount } = await this.collection.updateOne(
      { _id: id, status: 'WAITING' },
      { $set: { status: 'CANCELLED', finishedAt: at, cancelRequestedAt: at, heldAt: null } },
    )
    this.countEnded('CANCELLED', modifiedCount)
    return modifiedCount === 1
  }

  /** WAITING → CANCELLED for some of a job or namespace; their IDs as far as they were WAITING. Empty: none is left. */
  async cancelSomeWaiting(of: { jobId: string } | { namespace: string }, at: Date, error: string): Promise<string[]> {
    const found = await this.collection
      .find({ ...of, status: 'WAITING' }, { projection: { _id: 1 } })
      .limit(CANCEL_BATCH)
      .toArray()
    const ids = found.map(({ _id }) => _id)
    if (ids.length > 0) {
      const { modifiedCount } = await this.collection.updateMany(
        { _id: { $in: ids }, status: 'WAITING' },
        { $set: { status: 'CANCELLED', finishedAt: at, cancelRequestedAt: at, heldAt: null, error } },
      )
      this.countEnded('CANCELLED', modifiedCount)
    }
    return ids
  }

  async hasAny(jobId: string): Promise<boolean> {
    return (await this.collection.findOne({ jobId }, { projection: { _id: 1 }, hint: BY_JOB, maxTimeMS: SWEEP_QUERY_MS })) !== null
  }

  /**
   * Whether there is a run of a revision among those of the job with IDs in (after, before): they are looked through in the order of their making. Without an index by
   * revision, which each run would pay for: as long as a revision is the present one all runs are of it, so one that has any is found soon. True also where it takes too long to tell.
   */
  async hasOfRevision({ job: jobId, revision }: { job: string; revision: number }, after: string, before: string): Promise<boolean> {
    const options = { projection: { _id: 1 }, sort: { _id: 1 }, hint: BY_JOB, maxTimeMS: LOOK_MS } as const
    try {
      return (await this.collection.findOne({ jobId, revision, _id: { $gt: after, $lt: before } }, options)) !== null
    } catch (error) {
      if (error instanceof MongoServerError && error.code === MAX_TIME_EXPIRED) return true
      throw error
    }
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

  /** Routes of some instances. */
  routesOf(ids: readonly string[]): Promise<string[]> {
    return this.collection.distinct('route', { _id: { $in: [...ids] } })
  }

  /** RUNNING stays so until the worker reports the end; false when it is not RUNNING. */
  async requestCancel(id: string, at: Date): Promise<boolean> {
    const { matchedCount } = await this.collection.updateOne({ _id: id, status: 'RUNNING' }, [
      { $set: { cancelRequestedAt: { $ifNull: ['$cancelRequestedAt', at] } } },
    ])
    return matchedCount === 1
  }

  /** A final instance WAITs again; the document as it is then, null when it was not as expected. */
  retryFinal(id: string, attempt: number, from: InstanceStatus[], dueAt: Date): Promise<InstanceDocument | null> {
    return this.collection.findOneAndUpdate(
      { _id: id, attempt, status: { $in: from } },
      { $set: { status: 'WAITING', dueAt, queued: true, finishedAt: null, cancelRequestedAt: null, retriesUsed: 0, unstartedLosses: 0, heldAt: null } },
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
  findUnfinished(status: 'WAITING' | 'RUNNING', after: InstancePlace | undefined, limit: number): Promise<UnfinishedInstance[]> {
    const rest = after === undefined ? {} : { $or: [{ namespace: after.namespace, _id: { $gt: after._id } }, { namespace: { $lt: after.namespace } }] }
    return this.collection
      .find<UnfinishedInstance>({ status, ...rest }, { projection: UNFINISHED_FIELDS, maxTimeMS: SWEEP_QUERY_MS })
      .sort({ namespace: -1, _id: 1 })
      .limit(limit)
      .toArray()
  }

  async markQueued(ids: string[]): Promise<void> {
    await this.collection.updateMany({ _id: { $in: ids }, status: 'WAITING' }, { $set: { queued: true } })
  }

  /** Place in the queue of its route, from 1; counted up to a bound. */
  async position(instance: InstanceDocument): Promise<number> {
    const ahead = await this.reads.countDocuments(
      {
        status: 'WAITING',
        route: instance.route,
        heldAt: null,
        $or: [{ priority: { $gt: instance.priority } }, { priority: instance.priority, _id: { $lt: instance._id } }],
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

  /** How many instances of a route wait, due or not, counted up to a bound. Whether they are due is not in the index, which would be longer for it. */
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

  private async bulk(changes: Change<InstanceDocument>[]): Promise<{ modifiedCount: number }> {
    if (changes.length === 0) return { modifiedCount: 0 }
    return this.collection.bulkWrite(updateAlike(changes), { ordered: false })
  }
}

function settled(settlement: Settlement): Change<InstanceDocument> {
  const { instanceId: id, attempt, error } = settlement
  // An instance that is WAITING at this attempt already has its retry.
  const filter: Filter<InstanceDocument> = { attempt: { $lte: attempt }, status: { $in: UNFINISHED }, $nor: [{ status: 'WAITING', attempt }] }
  if (settlement.kind === 'retry') {
    const { dueAt, queued, retriesUsed, unstartedLosses } = settlement
    // One that a user cancelled gets none.
    return {
      id,
      filter: { ...filter, cancelRequestedAt: null },
      update: { $set: { status: 'WAITING', attempt, dueAt, queued, retriesUsed, unstartedLosses, error } },
    }
  }
  const { status, startedAt, finishedAt, result, resultText } = settlement
  const text = resultText === undefined ? {} : { resultText }
  const set = { status, attempt, finishedAt, error, result, ...text, ...(startedAt !== null && attempt === 1 ? { startedAt } : {}) }
  // Of a former attempt.
  const unset = resultText === undefined && attempt > 1 ? { $unset: { resultText: '' as const } } : {}
  return { id, filter, update: { $set: set, ...unset } }
}
