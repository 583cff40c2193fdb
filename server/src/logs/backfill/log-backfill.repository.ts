import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { Collection } from 'mongodb'
import { ensureCollection } from '../../platform/ensure-collection.js'
import { isDuplicateKey, Mongo } from '../../platform/mongo.js'
import type { StreamId } from '../log-key.js'

/** `round` is another one each time that the walk begins anew; `after` is the record that it has come to. */
type BackfillDocument = { _id: string; round: number; after: StreamId | null; doneAt: Date | null }
export type BackfillProgress = Omit<BackfillDocument, '_id'>

const OWNERS = 'owners'
const START: BackfillProgress = { round: 0, after: null, doneAt: null }

/** How far the backfill of log_streams has come. */
@Injectable()
export class LogBackfillRepository implements OnModuleInit {
  private readonly collection: Collection<BackfillDocument>

  constructor(private readonly mongo: Mongo) {
    this.collection = mongo.collection('log_backfill')
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, { name: 'log_backfill', fields: { _id: 'string', round: 'number' } })
    try {
      await this.collection.updateOne({ _id: OWNERS }, { $setOnInsert: START }, { upsert: true })
    } catch (error) {
      // Another server did it at the same moment.
      if (!isDuplicateKey(error)) throw error
    }
  }

  async find(): Promise<BackfillProgress> {
    return (await this.collection.findOne({ _id: OWNERS })) ?? START
  }

  /** Unless the walk was begun anew since `progress` was read. */
  async advance({ round }: BackfillProgress, to: Pick<BackfillProgress, 'after' | 'doneAt'>): Promise<void> {
    await this.collection.updateOne({ _id: OWNERS, round }, { $set: to })
  }

  /** The walk begins anew. Does nothing where it has not left the beginning. */
  async restart(): Promise<void> {
    await this.collection.updateOne(
      { _id: OWNERS, $or: [{ after: { $ne: null } }, { doneAt: { $ne: null } }] },
      { $set: { after: null, doneAt: null }, $inc: { round: 1 } },
    )
  }
}
