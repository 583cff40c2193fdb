import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { Binary, ClientSession, Collection, Filter } from 'mongodb'
import type { Role } from '@jobtrail/api/auth'
import { Batcher } from '../../platform/batcher.js'
import { ensureCollection } from '../../platform/ensure-collection.js'
import { Mongo } from '../../platform/mongo.js'

export type ApiTokenDocument = {
  _id: string
  namespace: string
  name: string
  role: Role
  hash: Binary
  /** Who made it: it never may more than they do. */
  userId: string
  createdAt: Date
  expiresAt: Date | null
  revokedAt: Date | null
  lastUsedAt: Date | null
}

const LAST_USED_EVERY_MS = 60_000

@Injectable()
export class ApiTokensRepository implements OnModuleInit {
  private readonly tokens: Collection<ApiTokenDocument>
  /** Every call asks for its token: those of one moment share a query. None is kept for the next, so that a revoked one ends at once. */
  private readonly lookups: Batcher<string, ApiTokenDocument | undefined>

  constructor(private readonly mongo: Mongo) {
    this.tokens = mongo.collection('api_tokens')
    this.lookups = new Batcher({ maxItems: 500, maxInFlight: 4, minBeside: 64, write: (ids) => this.findEach(ids) })
  }

  async onModuleInit(): Promise<void> {
    const dateOrNull = ['date', 'null'] as const
    await ensureCollection(this.mongo.db, {
      name: 'api_tokens',
      fields: {
        _id: 'string',
        namespace: 'string',
        name: 'string',
        role: 'string',
        hash: 'binData',
        userId: 'string',
        createdAt: 'date',
        expiresAt: dateOrNull,
        revokedAt: dateOrNull,
        lastUsedAt: dateOrNull,
      },
      indexes: [
        { key: { namespace: 1, _id: -1 }, name: 'namespace_newest' },
        { key: { userId: 1 }, name: 'user' },
      ],
    })
  }

  async insert(token: ApiTokenDocument, session: ClientSession): Promise<void> {
    await this.tokens.insertOne(token, { session })
  }

  /** As it is now, never from a cache. */
  findCurrent(id: string): Promise<ApiTokenDocument | undefined> {
    return this.lookups.add(id)
  }

  /** Newest first, below `beforeId`. */
  list(namespaces: { namespace?: string | { $in: string[] } }, options: { beforeId?: string | undefined; limit: number }): Promise<ApiTokenDocument[]> {
    const filter: Filter<ApiTokenDocument> = options.beforeId === undefined ? namespaces : { ...namespaces, _id: { $lt: options.beforeId } }
    return this.tokens.find(filter).sort({ _id: -1 }).limit(options.limit).toArray()
  }

  /** False: it was revoked already. */
  async revoke(id: string, now: Date, session: ClientSession): Promise<boolean> {
    return (await this.tokens.updateOne({ _id: id, revokedAt: null }, { $set: { revokedAt: now } }, { session })).modifiedCount > 0
  }

  /** How many. */
  async revokeOfUser(userId: string, now: Date, session: ClientSession): Promise<number> {
    return (await this.tokens.updateMany({ userId, revokedAt: null }, { $set: { revokedAt: now } }, { session })).modifiedCount
  }

  async deleteOfNamespace(namespace: string, session: ClientSession): Promise<void> {
    await this.tokens.deleteMany({ namespace }, { session })
  }

  isUseNoted(token: ApiTokenDocument, now: Date): boolean {
    return token.lastUsedAt !== null && now.getTime() - token.lastUsedAt.getTime() < LAST_USED_EVERY_MS
  }

  async noteUse(id: string, now: Date): Promise<void> {
    const before = new Date(now.getTime() - LAST_USED_EVERY_MS)
    await this.tokens.updateOne({ _id: id, $or: [{ lastUsedAt: null }, { lastUsedAt: { $lt: before } }] }, { $set: { lastUsedAt: now } })
  }

  private async findEach(ids: string[]): Promise<(ApiTokenDocument | undefined)[]> {
    const found = await this.tokens.find({ _id: { $in: [...new Set(ids)] } }).toArray()
    const byId = new Map(found.map((token) => [token._id, token]))
    return ids.map((id) => byId.get(id))
  }
}
