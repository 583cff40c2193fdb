import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { ClientSession, Collection } from 'mongodb'
import type { JobDefinition } from '@jobtrail/api/jobs'
import { ensureCollection } from '../platform/ensure-collection.js'
import { deleteSome } from '../platform/delete-some.js'
import { Mongo } from '../platform/mongo.js'
import { type PageRows, readPage } from '../platform/read-page.js'
import type { Reads } from '../platform/reads.js'
import { fromStored, type Stored, toStored } from '../platform/stored-json.js'
import { type JobRevisionDocument, type JobRevisionKey, jobRevisionKey } from './domain/job.js'

type StoredRevision = Omit<JobRevisionDocument, 'definition'> & { definition: Stored<JobDefinition> }

/** The collection `job_revisions`: never changed but for how their secrets are sealed. Revisions outlive their job, since its instances still refer to them; retention removes them. */
@Injectable()
export class JobRevisionsRepository implements OnModuleInit {
  private readonly collection: Collection<StoredRevision>
  private readonly reads: Reads<StoredRevision>

  constructor(private readonly mongo: Mongo) {
    this.collection = mongo.collection<StoredRevision>('job_revisions')
    this.reads = mongo.reads<StoredRevision>('job_revisions')
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, {
      name: 'job_revisions',
      fields: { _id: 'object', namespace: 'string', definition: 'object', changedAt: 'date', changedBy: 'string' },
      indexes: [{ key: { namespace: 1 } }],
    })
  }

  async insert(revisions: readonly JobRevisionDocument[], session: ClientSession): Promise<void> {
    await this.collection.insertMany(
      revisions.map((revision) => ({ ...revision, definition: toStored(revision.definition) })),
      { session },
    )
  }

  /** Some of a namespace that was removed; how many. */
  deleteSomeOf(namespace: string): Promise<number> {
    return deleteSome(this.collection, { namespace })
  }

  /** In order, from the index alone. */
  async keysAfter(after: JobRevisionKey | undefined, limit: number): Promise<JobRevisionKey[]> {
    const found = await this.collection
      .find({ _id: { $gt: after === undefined ? jobRevisionKey('', 0) : keyOf(after) } }, { projection: { _id: 1 } })
      .sort({ _id: 1 })
      .limit(limit)
      .toArray()
    return found.map(({ _id }) => _id)
  }

  /** When they were made; undefined for those that are gone. In the order of `keys`. */
  async timesOf(keys: readonly JobRevisionKey[]): Promise<(Date | undefined)[]> {
    const found = await this.collection.find({ _id: { $in: keys.map(keyOf) } }, { projection: { changedAt: 1 } }).toArray()
    const times = new Map(found.map(({ _id, changedAt }) => [`${_id.job} ${_id.revision}`, changedAt]))
    return keys.map(({ job, revision }) => times.get(`${job} ${revision}`))
  }

  async delete(keys: readonly JobRevisionKey[]): Promise<void> {
    await this.collection.deleteMany({ _id: { $in: keys.map(keyOf) } })
  }

  async find(jobId: string, revision: number): Promise<JobRevisionDocument | null> {
    const found = await this.collection.findOne({ _id: jobRevisionKey(jobId, revision) })
    return found === null ? null : read(found)
  }

  async findMany(keys: JobRevisionKey[]): Promise<JobRevisionDocument[]> {
    return (await this.collection.find({ _id: { $in: keys.map(keyOf) } }).toArray()).map(read)
  }

  /** Those that have secrets, in the order of their keys. */
  async listSecrets(after: JobRevisionKey | undefined, limit: number): Promise<{ key: JobRevisionKey; jobId: string; secrets: Record<string, string> }[]> {
    const found = await this.collection
      .find({ _id: { $gt: after ?? jobRevisionKey('', 0) }, 'definition.secrets': { $ne: {} } }, { projection: { 'definition.secrets': 1 } })
      .sort({ _id: 1 })
      .limit(limit)
      .toArray()
    return found.map(({ _id, definition }) => ({ key: _id, jobId: _id.job, secrets: definition.secrets }))
  }

  async replaceSecrets({ job, revision }: JobRevisionKey, from: Record<string, string>, to: Record<string, string>): Promise<void> {
    await this.collection.updateOne({ _id: jobRevisionKey(job, revision), 'definition.secrets': { $eq: from } }, { $set: { 'definition.secrets': to } })
  }

  /** Newest first, those below `below`. A range of `_id` stays within the job, whose ID is its first field. */
  async list(jobId: string, below: number, limit: number): Promise<PageRows<JobRevisionDocument>> {
    const found = this.reads.find({ _id: { $gt: jobRevisionKey(jobId, 0), $lt: jobRevisionKey(jobId, below) } }).sort({ _id: -1 })
    const { rows, isCut } = await readPage(found, limit)
    return { rows: rows.map(read), isCut }
  }
}

const read = (revision: StoredRevision): JobRevisionDocument => ({ ...revision, definition: fromStored<JobDefinition>(revision.definition) })

/** With its fields in the order of the stored ones, whatever order `key` has them in. */
const keyOf = ({ job, revision }: JobRevisionKey): JobRevisionKey => jobRevisionKey(job, revision)
