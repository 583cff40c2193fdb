import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { ClientSession, Collection, Filter } from 'mongodb'
import type { AuditRecord } from '@jobtrail/api/auth'
import { deleteSome } from '../platform/delete-some.js'
import { ensureCollection } from '../platform/ensure-collection.js'
import { duplicatesOf, Mongo } from '../platform/mongo.js'
import type { Reads } from '../platform/reads.js'

export type AuditDocument = Omit<AuditRecord, 'id' | 'at'> & { _id: string; at: Date }

/** The place in the list, newest first, after which a page begins. */
export type AuditPosition = { at: Date; id: string }
export type AuditFilter = {
  /** Since when, by namespace: what is older is of a former namespace of the same name. undefined: all there is, of whatever namespace. */
  since?: ReadonlyMap<string, Date>
  namespace?: string | { $in: string[] }
  actor?: string | undefined
  action?: string | undefined
  targetId?: string | undefined
  from?: Date | undefined
  to?: Date | undefined
}

const BY_NAMESPACE = 'namespace_newest'

@Injectable()
export class AuditRepository implements OnModuleInit {
  private readonly records: Collection<AuditDocument>
  private readonly reads: Reads<AuditDocument>

  constructor(private readonly mongo: Mongo) {
    this.records = mongo.collection('audit_log')
    this.reads = mongo.reads('audit_log')
  }

  async onModuleInit(): Promise<void> {
    const textOrNull = ['string', 'null'] as const
    await ensureCollection(this.mongo.db, {
      name: 'audit_log',
      fields: {
        _id: 'string',
        at: 'date',
        actor: 'string',
        action: 'string',
        namespace: textOrNull,
        target: 'object',
        ip: textOrNull,
        requestId: textOrNull,
        details: 'object',
      },
      indexes: [
        { key: { at: -1, _id: -1 }, name: 'newest' },
        { key: { namespace: 1, at: -1, _id: -1 }, name: BY_NAMESPACE },
        { key: { 'target.id': 1, at: -1, _id: -1 }, name: 'target_newest' },
        { key: { actor: 1, at: -1, _id: -1 }, name: 'actor_newest' },
      ],
    })
  }

  async insert(records: AuditDocument[], session: ClientSession): Promise<void> {
    await this.records.insertMany(records, { session })
  }

  /** Without a transaction; records that are there already, from a call that broke, are left as they are. */
  async insertOnce(records: AuditDocument[]): Promise<void> {
    try {
      await this.records.insertMany(records, { ordered: false })
    } catch (error) {
      duplicatesOf(error, { ownIds: true })
    }
  }

  /** Some of these namespaces from before a time; null: what belongs to none. How many. */
  deleteSomeBefore(before: Date, namespaces: readonly (string | null)[]): Promise<number> {
    return deleteSome(this.records, { namespace: { $in: [...namespaces] }, at: { $lt: before } }, BY_NAMESPACE)
  }

  /** Namespaces that there are records of, also removed ones: a step of the index each. */
  async namespaces(): Promise<string[]> {
    return (await this.records.distinct('namespace')).filter((name) => name !== null)
  }

  /** Newest first. `from` is within, `to` is not. */
  list(filter: AuditFilter, options: { after?: AuditPosition | undefined; limit: number }): Promise<AuditDocument[]> {
    const { actor, action, targetId, from, to, namespace, since } = filter
    const conditions: Filter<AuditDocument>[] = []
    if (namespace !== undefined) conditions.push({ namespace })
    if (since !== undefined) conditions.push({ $or: [...since].map(([name, at]) => ({ namespace: name, at: { $gte: at } })) })
    if (actor !== undefined) conditions.push({ actor })
    if (action !== undefined) conditions.push({ action })
    if (targetId !== undefined) conditions.push({ 'target.id': targetId })
    if (from !== undefined) conditions.push({ at: { $gte: from } })
    if (to !== undefined) conditions.push({ at: { $lt: to } })
    if (options.after !== undefined) {
      const { at, id } = options.after
      conditions.push({ at: { $lte: at } }, { $or: [{ at: { $lt: at } }, { _id: { $lt: id } }] })
    }
    return this.reads
      .find(conditions.length === 0 ? {} : { $and: conditions })
      .sort({ at: -1, _id: -1 })
      .limit(options.limit)
      .toArray()
  }
}
