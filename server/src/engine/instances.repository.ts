import { Injectable, type OnModuleInit } from '@nestjs/common'
import { type ClientSession, type Collection, type Filter, MongoServerError } from 'mongodb'
import { FINISHED_STATUSES, INSTANCE_STATUSES } from '@jobtrail/protocol/domain/statuses'
import { ensureCollection } from '../platform/ensure-collection.js'
import { duplicatesOf, Mongo } from '../platform/mongo.js'
import type { Reads } from '../platform/reads.js'
import { BY_JOB, BY_STATUS_AND_NAMESPACE, type InstanceDocument, INSTANCES, type RunEnd, type StripDocument } from './instance-document.js'
import type { LogOwner } from './ports/attempt-logs.js'

/** A query that takes longer would hold up all else that a sweep does. */
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

/** The records of runs: they are made, looked at and removed here. What changes while they wait and run is the state of their tasks: {@link TasksRepository}. */
@Injectable()
export class InstancesRepository implements OnModuleInit {
  private readonly collection: Collection<InstanceDocument>
  private readonly reads: Reads<InstanceDocument>

  constructor(private readonly mongo: Mongo) {
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

  /** For somebody who looks at it. */
  look(id: string): Promise<InstanceDocument | null> {
    return this.reads.findOne({ _id: id })
  }

  /** How far those of these are that there are. */
  async progressOf(ids: readonly string[]): Promise<Map<string, Pick<InstanceDocument, 'status' | 'attempt'>>> {
    const found = await this.collection.find({ _id: { $in: [...ids] } }, { projection: { status: 1, attempt: 1 } }).toArray()
    return new Map(found.map(({ _id, status, attempt }) => [_id, { status, attempt }]))
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
}
