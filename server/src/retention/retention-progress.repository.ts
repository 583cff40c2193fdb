import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { Collection } from 'mongodb'
import { ensureCollection } from '../platform/http/ensure-collection.js'
import { Mongo } from '../platform/mongo.js'
import type { Progress } from './domain/due.js'

/** `_id` is the namespace. */
type ProgressDocument = { _id: string } & Partial<Progress>

/** How far the walks have come, so that none goes over what it has been over. */
@Injectable()
export class RetentionProgressRepository implements OnModuleInit {
  private readonly collection: Collection<ProgressDocument>

  constructor(private readonly mongo: Mongo) {
    this.collection = mongo.collection('retention_progress')
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, { name: 'retention_progress', fields: { _id: 'string' }, optional: { runs: 'string', logs: 'string' } })
  }

  async find(namespace: string): Promise<Progress> {
    const found = await this.collection.findOne({ _id: namespace })
    return { runs: found?.runs ?? '', logs: found?.logs ?? '' }
  }

  /** Of a namespace that was removed. */
  async forget(namespace: string): Promise<void> {
    await this.collection.deleteOne({ _id: namespace })
  }

  /** Never back, whichever server comes last. */
  async advance(namespace: string, walk: keyof Progress, to: string): Promise<void> {
    await this.collection.updateOne({ _id: namespace }, { $max: { [walk]: to } }, { upsert: true })
  }
}
