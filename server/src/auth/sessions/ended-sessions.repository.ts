import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { Collection } from 'mongodb'
import { Batcher } from '../../platform/batcher.js'
import { ensureCollection } from '../../platform/ensure-collection.js'
import { Mongo } from '../../platform/mongo.js'

/** `_id` is the session's ID; kept until the session would have run out anyway. */
type EndedSessionDocument = { _id: string; expiresAt: Date }

/** Sessions that someone signed out of. */
@Injectable()
export class EndedSessionsRepository implements OnModuleInit {
  private readonly ended: Collection<EndedSessionDocument>
  /** Every call asks: those of one moment share a query. */
  private readonly lookups: Batcher<string, boolean>

  constructor(private readonly mongo: Mongo) {
    this.ended = mongo.collection('ended_sessions')
    this.lookups = new Batcher({ maxItems: 500, maxInFlight: 4, minBeside: 64, write: (ids) => this.haveEnded(ids) })
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, {
      name: 'ended_sessions',
      fields: { _id: 'string', expiresAt: 'date' },
      indexes: [{ key: { expiresAt: 1 }, name: 'expiry', expireAfterSeconds: 60 }],
    })
  }

  async end(id: string, expiresAt: Date): Promise<void> {
    await this.ended.updateOne({ _id: id }, { $set: { expiresAt } }, { upsert: true })
  }

  hasEnded(id: string): Promise<boolean> {
    return this.lookups.add(id)
  }

  private async haveEnded(ids: string[]): Promise<boolean[]> {
    const found = await this.ended.find({ _id: { $in: [...new Set(ids)] } }, { projection: { _id: 1 } }).toArray()
    const ended = new Set(found.map((each) => each._id))
    return ids.map((id) => ended.has(id))
  }
}
