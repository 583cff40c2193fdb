import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { Binary, ClientSession, Collection, Filter } from 'mongodb'
import { ensureCollection } from '../../platform/ensure-collection.js'
import { Mongo } from '../../platform/mongo.js'

export type WorkerTokenDocument = {
  _id: string
  namespace: string
  name: string
  /** The one group whose workers it lets in; null: any. */
  group: string | null
  hash: Binary
  createdAt: Date
  revokedAt: Date | null
}

/** Asked for before runs are handed out: rather no answer than a late one. */
const CHECK_TIMEOUT_MS = 5_000

@Injectable()
export class WorkerTokensRepository implements OnModuleInit {
  private readonly tokens: Collection<WorkerTokenDocument>

  constructor(private readonly mongo: Mongo) {
    this.tokens = mongo.collection('worker_tokens')
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, {
      name: 'worker_tokens',
      fields: {
        _id: 'string',
        namespace: 'string',
        name: 'string',
        group: ['string', 'null'],
        hash: 'binData',
        createdAt: 'date',
        revokedAt: ['date', 'null'],
      },
      indexes: [{ key: { namespace: 1, _id: -1 }, name: 'namespace_newest' }],
    })
  }

  async insert(token: WorkerTokenDocument, session: ClientSession): Promise<void> {
    await this.tokens.insertOne(token, { session })
  }

  find(id: string): Promise<WorkerTokenDocument | null> {
    return this.tokens.findOne({ _id: id })
  }

  /** Those that exist and are not revoked. */
  async validAmong(ids: readonly string[]): Promise<string[]> {
    const found = await this.tokens.find({ _id: { $in: [...ids] }, revokedAt: null }, { projection: { _id: 1 }, maxTimeMS: CHECK_TIMEOUT_MS }).toArray()
    return found.map(({ _id }) => _id)
  }

  /** Newest first, below `beforeId`. */
  list(namespaces: { namespace?: string | { $in: string[] } }, options: { beforeId?: string | undefined; limit: number }): Promise<WorkerTokenDocument[]> {
    const filter: Filter<WorkerTokenDocument> = options.beforeId === undefined ? namespaces : { ...namespaces, _id: { $lt: options.beforeId } }
    return this.tokens.find(filter).sort({ _id: -1 }).limit(options.limit).toArray()
  }

  /** False: it was revoked already. */
  async revoke(id: string, now: Date, session: ClientSession): Promise<boolean> {
    return (await this.tokens.updateOne({ _id: id, revokedAt: null }, { $set: { revokedAt: now } }, { session })).modifiedCount > 0
  }

  /** How many. */
  async deleteOfNamespace(namespace: string): Promise<number> {
    return (await this.tokens.deleteMany({ namespace })).deletedCount
  }
}
