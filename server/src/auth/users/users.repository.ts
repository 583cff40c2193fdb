import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { ClientSession, Collection, Filter } from 'mongodb'
import { ALL_NAMESPACES } from '@jobtrail/api/auth'
import { Batcher } from '../../platform/batcher.js'
import { ensureCollection } from '../../platform/ensure-collection.js'
import { Mongo } from '../../platform/mongo.js'
import type { StoredGrant } from './grants.js'

export type UserDocument = {
  _id: string
  username: string
  passwordHash: string
  grants: StoredGrant[]
  disabled: boolean
  /** Sessions carry the version they began under; raising it ends them all. */
  sessionsVersion: number
  createdAt: Date
  updatedAt: Date
}
export type UserChange = Partial<Pick<UserDocument, 'passwordHash' | 'grants' | 'disabled'>>

/** `Admin` and `admin` are one name. */
const ANY_CASE = { locale: 'en', strength: 2 } as const
const GLOBAL_ADMIN: Filter<UserDocument> = { disabled: false, grants: { $elemMatch: { namespace: ALL_NAMESPACES, role: 'admin' } } }

@Injectable()
export class UsersRepository implements OnModuleInit {
  private readonly users: Collection<UserDocument>
  /** Every call asks for its user: those of one moment share a query. None is kept for the next. */
  private readonly lookups: Batcher<string, UserDocument | undefined>

  constructor(private readonly mongo: Mongo) {
    this.users = mongo.collection('users')
    this.lookups = new Batcher({ maxItems: 500, maxInFlight: 4, minBeside: 64, write: (ids) => this.findEach(ids) })
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, {
      name: 'users',
      fields: {
        _id: 'string',
        username: 'string',
        passwordHash: 'string',
        grants: 'array',
        disabled: 'bool',
        sessionsVersion: 'number',
        createdAt: 'date',
        updatedAt: 'date',
      },
      indexes: [{ key: { username: 1 }, name: 'username_any_case', unique: true, collation: ANY_CASE }],
    })
  }

  async insert(user: UserDocument, session: ClientSession): Promise<void> {
    await this.users.insertOne(user, { session })
  }

  findByName(username: string): Promise<UserDocument | null> {
    return this.users.findOne({ username }, { collation: ANY_CASE })
  }

  /** As it is now, never from a cache. */
  findCurrent(id: string): Promise<UserDocument | undefined> {
    return this.lookups.add(id)
  }

  findById(id: string, session?: ClientSession): Promise<UserDocument | null> {
    return this.users.findOne({ _id: id }, withSession(session))
  }

  /** By name, after `afterName`; `namespace` keeps those with a role there. */
  list(options: { namespace?: string | undefined; afterName?: string | undefined; limit: number }): Promise<UserDocument[]> {
    const filter: Filter<UserDocument> = {}
    if (options.namespace !== undefined) filter['grants.namespace'] = { $in: [options.namespace, ALL_NAMESPACES] }
    if (options.afterName !== undefined) filter.username = { $gt: options.afterName }
    return this.users.find(filter, { collation: ANY_CASE }).sort({ username: 1 }).limit(options.limit).toArray()
  }

  /** The user afterwards; null: there is none. `endSessions`: what they are signed in with now is worth nothing from here on. */
  change(id: string, change: UserChange, options: { endSessions: boolean; now: Date; session: ClientSession }): Promise<UserDocument | null> {
    return this.users.findOneAndUpdate(
      { _id: id },
      { $set: { ...change, updatedAt: options.now }, $inc: { sessionsVersion: options.endSessions ? 1 : 0 } },
      { returnDocument: 'after', session: options.session },
    )
  }

  async delete(id: string, session: ClientSession): Promise<void> {
    await this.users.deleteOne({ _id: id }, { session })
  }

  async hasGlobalAdmin(session: ClientSession): Promise<boolean> {
    return (await this.users.findOne(GLOBAL_ADMIN, { session, projection: { _id: 1 } })) !== null
  }

  /** When a namespace goes: one of the same name made later is another one. */
  async withdrawGrants(namespace: string, session: ClientSession): Promise<void> {
    await this.users.updateMany({ 'grants.namespace': namespace }, { $pull: { grants: { namespace } } }, { session })
  }

  private async findEach(ids: string[]): Promise<(UserDocument | undefined)[]> {
    const found = await this.users.find({ _id: { $in: [...new Set(ids)] } }).toArray()
    const byId = new Map(found.map((user) => [user._id, user]))
    return ids.map((id) => byId.get(id))
  }
}

const withSession = (session: ClientSession | undefined) => (session === undefined ? {} : { session })
