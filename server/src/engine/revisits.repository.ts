import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { Collection } from 'mongodb'
import { ensureCollection } from '../platform/ensure-collection.js'
import { deleteSome } from '../platform/delete-some.js'
import { Mongo } from '../platform/mongo.js'

/** `_id` is the instance's ID. */
type RevisitDocument = { _id: string; namespace: string; at: Date }
/** A run to look at again, and since when. */
export type Revisit = { id: string; at: Date }

/** Runs that retention has to look at again: it walks over IDs once, and these had not ended, or not for long enough, when it came by, or began anew since. */
@Injectable()
export class RevisitsRepository implements OnModuleInit {
  private readonly collection: Collection<RevisitDocument>

  constructor(private readonly mongo: Mongo) {
    this.collection = mongo.collection('retention_revisits')
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, {
      name: 'retention_revisits',
      fields: { _id: 'string', namespace: 'string', at: 'date' },
      indexes: [{ key: { namespace: 1, at: 1 } }],
    })
  }

  async note(namespace: string, instanceIds: readonly string[], at: Date): Promise<void> {
    if (instanceIds.length === 0) return
    await this.collection.bulkWrite(
      instanceIds.map((id) => ({ replaceOne: { filter: { _id: id }, replacement: { namespace, at }, upsert: true } })),
      { ordered: false },
    )
  }

  /** Some of a namespace that was removed; how many. */
  deleteSomeOf(namespace: string): Promise<number> {
    return deleteSome(this.collection, { namespace })
  }

  /** Those that are to be looked at by `now`, the longest waiting first. */
  async findDue(namespace: string, now: Date, limit: number): Promise<Revisit[]> {
    const found = await this.collection
      .find({ namespace, at: { $lte: now } }, { projection: { at: 1 } })
      .sort({ at: 1 })
      .limit(limit)
      .toArray()
    return found.map(({ _id, at }) => ({ id: _id, at }))
  }

  /** But for those that were noted anew since they were found: a user has retried them. */
  async forget(revisits: readonly Revisit[]): Promise<void> {
    if (revisits.length > 0) await this.collection.deleteMany({ $or: revisits.map(({ id, at }) => ({ _id: id, at })) })
  }
}
