import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { ClientSession, Collection, Filter } from 'mongodb'
import { ensureCollection } from '../platform/ensure-collection.js'
import { Mongo } from '../platform/mongo.js'
import { type PageRows, readPage } from '../platform/read-page.js'
import type { Reads } from '../platform/reads.js'
import { fromStored, type Stored, toStored } from '../platform/stored-json.js'
import type { Follower } from './domain/after.js'
import type { Advance, DueJob, JobDocument } from './domain/job.js'

const RUN_FIELDS = {
  namespace: 1,
  name: 1,
  revision: 1,
  priority: 1,
  routing: 1,
  maxConcurrent: 1,
  followers: 1,
  params: 1,
  paramsText: 1,
  trigger: 1,
  'processor.kind': 1,
  'processor.handler': 1,
} as const
const DUE_FIELDS = { ...RUN_FIELDS, nextFireAt: 1, fireAnchor: 1 } as const

export type StoredJob = Stored<JobDocument>

/** The collection `jobs`. */
@Injectable()
export class JobsRepository implements OnModuleInit {
  private readonly collection: Collection<StoredJob>
  private readonly reads: Reads<StoredJob>

  constructor(private readonly mongo: Mongo) {
    this.collection = mongo.collection<StoredJob>('jobs')
    this.reads = mongo.reads<StoredJob>('jobs')
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, {
      name: 'jobs',
      fields: {
        _id: 'string',
        namespace: 'string',
        name: 'string',
        revision: 'number',
        enabled: 'bool',
        trigger: 'object',
        processor: 'object',
        params: 'object',
        routing: 'object',
        secrets: 'object',
        nextFireAt: ['date', 'null'],
        fireAnchor: 'date',
        createdAt: 'date',
        updatedAt: 'date',
        createdBy: 'string',
        updatedBy: 'string',
      },
      optional: { followers: 'number' },
      indexes: [
        { key: { namespace: 1, name: 1 }, unique: true },
        { key: { enabled: 1, nextFireAt: 1 } },
        { key: { 'trigger.job': 1 }, name: 'followers', partialFilterExpression: { 'trigger.job': { $exists: true } } },
      ],
    })
  }

  async findById(id: string, session: ClientSession): Promise<JobDocument | null> {
    const found = await this.collection.findOne({ _id: id }, { session })
    return found === null ? null : fromStored(found)
  }

  async findMany(ids: string[]): Promise<JobDocument[]> {
    return (await this.collection.find({ _id: { $in: ids } }).toArray()).map(fromStored<JobDocument>)
  }

  /** The present revision of each that is there, with its namespace. */
  async findHeads(ids: readonly string[]): Promise<Map<string, { namespace: string; revision: number }>> {
    const found = await this.collection.find({ _id: { $in: [...ids] } }, { projection: { namespace: 1, revision: 1 } }).toArray()
    return new Map(found.map(({ _id, namespace, revision }) => [_id, { namespace, revision }]))
  }

  /** The enabled ones that fire next. */
  nextFires(filter: Filter<StoredJob>, limit: number): Promise<Pick<JobDocument, '_id' | 'name' | 'namespace' | 'nextFireAt'>[]> {
    return this.reads
      .find({ ...filter, enabled: true, nextFireAt: { $type: 'date' } }, { projection: { name: 1, namespace: 1, nextFireAt: 1 } })
      .sort({ nextFireAt: 1 })
      .limit(limit)
      .toArray()
  }

  async hasAnyOf(namespace: string, session: ClientSession): Promise<boolean> {
    return (await this.collection.findOne({ namespace }, { session, projection: { _id: 1 } })) !== null
  }

  /** By namespace and name, which are unique, so that paging by them skips nothing. */
  async list(filter: Filter<StoredJob>, limit: number): Promise<PageRows<JobDocument>> {
    const { rows, isCut } = await readPage(this.reads.find(filter).sort({ namespace: 1, name: 1 }), limit)
    return { rows: rows.map(fromStored<JobDocument>), isCut }
  }

  /** Rejects with a duplicate key when the namespace has a job of one of these names. */
  async insert(jobs: readonly JobDocument[], session: ClientSession): Promise<void> {
    await this.collection.insertMany(jobs.map(toStored), { session })
  }

  /** Which of these names jobs of the namespace have. */
  async namesTaken(namespace: string, names: readonly string[]): Promise<Set<string>> {
    const found = await this.collection.find({ namespace, name: { $in: [...names] } }, { projection: { name: 1 } }).toArray()
    return new Set(found.map(({ name }) => name))
  }

  /** False when the job is no longer at `revision`. Rejects with a duplicate key when its new name is taken. */
  async replace(job: JobDocument, revision: number, session: ClientSession): Promise<boolean> {
    const { matchedCount } = await this.collection.replaceOne({ _id: job._id, revision }, toStored(job), { session })
    return matchedCount === 1
  }

  async remove(id: string, session: ClientSession): Promise<boolean> {
    const { deletedCount } = await this.collection.deleteOne({ _id: id }, { session })
    return deletedCount === 1
  }

  /** Those that have secrets, in the order of their IDs. */
  async listSecrets(after: string | undefined, limit: number): Promise<{ key: string; jobId: string; secrets: Record<string, string> }[]> {
    const found = await this.collection
      .find({ _id: { $gt: after ?? '' }, secrets: { $ne: {} } }, { projection: { secrets: 1 } })
      .sort({ _id: 1 })
      .limit(limit)
      .toArray()
    return found.map(({ _id, secrets }) => ({ key: _id, jobId: _id, secrets }))
  }

  /** The same secrets, sealed otherwise: no change of the job. Unless they were changed meanwhile. */
  async replaceSecrets(id: string, from: Record<string, string>, to: Record<string, string>): Promise<void> {
    await this.collection.updateOne({ _id: id, secrets: { $eq: from } }, { $set: { secrets: to } })
  }

  /** Enabled jobs with a fire time after `after` and up to `until`, the latest-running first. */
  async findDue(after: Date, until: Date, limit: number, exceptIds: string[]): Promise<DueJob[]> {
    const except = exceptIds.length === 0 ? {} : { _id: { $nin: exceptIds } }
    const due = await this.collection
      .find<Stored<DueJob>>({ enabled: true, nextFireAt: { $gt: after, $lte: until }, ...except }, { projection: DUE_FIELDS })
      .sort({ nextFireAt: 1 })
      .limit(limit)
      .toArray()
    return due.map(fromStored<DueJob>)
  }

  /** Enabled jobs that run after one of these. */
  async findFollowers(jobIds: readonly string[]): Promise<Follower[]> {
    const found = await this.collection.find<Stored<Follower>>({ 'trigger.job': { $in: [...jobIds] }, enabled: true }, { projection: RUN_FIELDS }).toArray()
    return found.map(fromStored<Follower>)
  }

  /** Some names of jobs that run after this one. */
  async followersOf(id: string, limit: number, session: ClientSession): Promise<string[]> {
    const found = await this.collection
      .find({ 'trigger.job': id }, { session, projection: { name: 1 } })
      .sort({ name: 1 })
      .limit(limit)
      .toArray()
    return found.map(({ name }) => name)
  }

  /** Counts anew how many jobs run after this one, and notes it there; how many. */
  async noteFollowers(id: string, session: ClientSession): Promise<number> {
    const followers = await this.collection.countDocuments({ 'trigger.job': id }, { session })
    await this.collection.updateOne({ _id: id }, { $set: { followers } }, { session })
    return followers
  }

  /** Those that were changed, disabled or advanced by another server meanwhile stay as they are. */
  async advance(advances: Advance[]): Promise<void> {
    await this.collection.bulkWrite(
      advances.map(({ jobId, revision, from, to }) => ({
        updateOne: { filter: { _id: jobId, revision, enabled: true, nextFireAt: from }, update: { $set: { nextFireAt: to } } },
      })),
      { ordered: false },
    )
  }
}
