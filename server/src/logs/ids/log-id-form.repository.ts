import { Injectable } from '@nestjs/common'
import type { Collection } from 'mongodb'
import { ensureCollection } from '../../platform/ensure-collection.js'
import { isDuplicateKey, Mongo } from '../../platform/mongo.js'

/** `quietSince`: since when no older server was heard of; null: one is there. `binaryFrom`: the first instance ID that is stored as bytes; absent until that is decided. */
type FormDocument = { _id: string; quietSince: Date | null; binaryFrom?: string }
export type LogIdForm = Omit<FormDocument, '_id'>

const IDS = 'ids'

/** What servers have agreed on about the IDs of logs. */
@Injectable()
export class LogIdFormRepository {
  private readonly collection: Collection<FormDocument>

  constructor(private readonly mongo: Mongo) {
    this.collection = mongo.collection('log_id_form')
  }

  /** Stores `first` unless something is stored. */
  async begin(first: LogIdForm): Promise<void> {
    await ensureCollection(this.mongo.db, { name: 'log_id_form', fields: { _id: 'string' }, optional: { binaryFrom: 'string' } })
    try {
      await this.collection.updateOne({ _id: IDS }, { $setOnInsert: first }, { upsert: true })
    } catch (error) {
      // Another server did it at the same moment.
      if (!isDuplicateKey(error)) throw error
    }
  }

  async find(): Promise<LogIdForm> {
    const found = await this.collection.findOne({ _id: IDS })
    if (found === null) throw new Error('What servers have agreed on about the IDs of logs is gone')
    return found
  }

  /** Unless another server noted something since. */
  async noteQuiet(before: Date | null, quietSince: Date | null): Promise<void> {
    await this.collection.updateOne({ _id: IDS, quietSince: before, binaryFrom: { $exists: false } }, { $set: { quietSince } })
  }

  /** Once and for all; not if an older server was heard of since `quietSince`. */
  async decide(quietSince: Date, binaryFrom: string): Promise<void> {
    await this.collection.updateOne({ _id: IDS, quietSince, binaryFrom: { $exists: false } }, { $set: { binaryFrom } })
  }
}
