import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { Collection } from 'mongodb'
import { ensureCollection } from '../../platform/ensure-collection.js'
import { isDuplicateKey, Mongo } from '../../platform/mongo.js'

/** `lastAt` is absent in what a former version counted. */
type LoginFailuresDocument = { _id: string; failures: number; lastAt?: Date; expiresAt: Date }
export type LoginFailures = { key: string; failures: number; lastAt: Date }

/** Failed sign-ins, counted for a key (a name with an address, an address, a device) until `expiresAt`, which each one puts off. */
@Injectable()
export class LoginFailuresRepository implements OnModuleInit {
  private readonly counts: Collection<LoginFailuresDocument>

  constructor(private readonly mongo: Mongo) {
    this.counts = mongo.collection('login_failures')
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, {
      name: 'login_failures',
      fields: { _id: 'string', failures: 'number', expiresAt: 'date' },
      optional: { lastAt: 'date' },
      indexes: [{ key: { expiresAt: 1 }, name: 'expiry', expireAfterSeconds: 0 }],
    })
  }

  /** Those that have not expired yet; MongoDB removes expired ones only once a minute. */
  async find(keys: readonly string[], now: Date): Promise<LoginFailures[]> {
    const found = await this.counts.find({ _id: { $in: [...keys] }, expiresAt: { $gt: now } }).toArray()
    return found.map(({ _id, failures, lastAt }) => ({ key: _id, failures, lastAt: lastAt ?? new Date(0) }))
  }

  async add(key: string, now: Date, windowMs: number): Promise<void> {
    const isRunning = { $gt: [{ $ifNull: ['$expiresAt', new Date(0)] }, now] }
    const count = {
      failures: { $cond: [isRunning, { $add: ['$failures', 1] }, 1] },
      lastAt: now,
      expiresAt: new Date(now.getTime() + windowMs),
    }
    const update = (): Promise<unknown> => this.counts.updateOne({ _id: key }, [{ $set: count }], { upsert: true })
    try {
      await update()
    } catch (error) {
      // Two first failures of one moment: the second finds the first now.
      if (!isDuplicateKey(error)) throw error
      await update()
    }
  }

  async clear(key: string): Promise<void> {
    await this.counts.deleteOne({ _id: key })
  }
}
