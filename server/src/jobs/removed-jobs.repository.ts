import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { ClientSession, Collection } from 'mongodb'
import { ensureCollection } from '../platform/ensure-collection.js'
import { Mongo } from '../platform/mongo.js'

/** A job that was removed and may still have instances that wait. `_id` is the job's ID. */
export type RemovedJobDocument = { _id: string; removedAt: Date }

/** The collection `removed_jobs`: written with the removal, kept until nothing of the job can wait any more. */
@Injectable()
export class RemovedJobsRepository implements OnModuleInit {
  private readonly collection: Collection<RemovedJobDocument>

  constructor(private readonly mongo: Mongo) {
    this.collection = mongo.collection<RemovedJobDocument>('removed_jobs')
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, { name: 'removed_jobs', fields: { _id: 'string', removedAt: 'date' } })
  }

  async insert(job: RemovedJobDocument, session: ClientSession): Promise<void> {
    await this.collection.insertOne(job, { session })
  }

  /** By ID, after `after`. */
  list(after: string, limit: number): Promise<RemovedJobDocument[]> {
    return this.collection
      .find({ _id: { $gt: after } })
      .sort({ _id: 1 })
      .limit(limit)
      .toArray()
  }

  async has(id: string): Promise<boolean> {
    return (await this.collection.findOne({ _id: id })) !== null
  }

  async delete(id: string): Promise<void> {
    await this.collection.deleteOne({ _id: id })
  }
}
