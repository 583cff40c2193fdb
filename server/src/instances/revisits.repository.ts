import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { Collection } from 'mongodb'
import { ensureCollection } from '../platform/http/ensure-collection.js'
import { Mongo } from '../platform/mongo.js'

/** `_id` is the instance's ID. */
type RevisitDocument = { _id: string; namespace: string; at: Date }

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

  /** Those that are to be looked at by `now`, the longest waiting first. */
  async findDue(namespace: string, now: Date, limit: number): Promise<string[]> {
    const found = await this.collection
      .find({ namespace, at: { $lte: now } }, { projection: { _id: 1 } })
      .sort({ at: 1 })
      .limit(limit)
      .toArray()
    return found.map(({ _id }) => _id)
  }

  async forget(instanceIds: readonly string[]): Promise<void> {
    if (instanceIds.length > 0) await this.collection.deleteMany({ _id: { $in: [...instanceIds] } })
  }
}
