import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { ClientSession, Collection, Filter } from 'mongodb'
import type { Retention } from '@jobtrail/shared/api/auth'
import { ensureCollection } from '../../platform/http/ensure-collection.js'
import { Mongo } from '../../platform/mongo.js'

/**
 * `_id` is the name. `additions` counts what was added to it, so that a removal of the same moment conflicts. Without `retention` everything is kept; without
 * `revision` it was never changed.
 */
export type NamespaceDocument = { _id: string; description: string; createdAt: Date; additions?: number; retention?: Retention; revision?: number }

@Injectable()
export class NamespacesRepository implements OnModuleInit {
  private readonly namespaces: Collection<NamespaceDocument>

  constructor(private readonly mongo: Mongo) {
    this.namespaces = mongo.collection('namespaces')
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, {
      name: 'namespaces',
      fields: { _id: 'string', description: 'string', createdAt: 'date' },
      optional: { additions: 'number', retention: 'object', revision: 'number' },
    })
  }

  async insert(namespace: NamespaceDocument, session: ClientSession): Promise<void> {
    await this.namespaces.insertOne(namespace, { session })
  }

  /** Of a transaction that adds something to the namespace and one that removes it, one fails, and finds the other's result when it runs again. False: there is none. */
  async noteAddition(name: string, session: ClientSession): Promise<boolean> {
    return (await this.namespaces.updateOne({ _id: name }, { $inc: { additions: 1 } }, { session })).matchedCount > 0
  }

  find(name: string, session?: ClientSession): Promise<NamespaceDocument | null> {
    return this.namespaces.findOne({ _id: name }, session === undefined ? {} : { session })
  }

  async replace(namespace: NamespaceDocument, session: ClientSession): Promise<void> {
    await this.namespaces.replaceOne({ _id: namespace._id }, namespace, { session })
  }

  /** Those in which something is not kept for ever. */
  findWithRetention(): Promise<NamespaceDocument[]> {
    return this.namespaces.find({ $or: [{ 'retention.runsDays': { $type: 'number' } }, { 'retention.logsDays': { $type: 'number' } }] }).toArray()
  }

  /** By name, after `afterName`; `names` keeps those only. */
  list(options: { names?: readonly string[] | undefined; afterName?: string | undefined; limit: number }): Promise<NamespaceDocument[]> {
    const conditions: Filter<NamespaceDocument>[] = []
    if (options.names !== undefined) conditions.push({ _id: { $in: [...options.names] } })
    if (options.afterName !== undefined) conditions.push({ _id: { $gt: options.afterName } })
    return this.namespaces
      .find(conditions.length === 0 ? {} : { $and: conditions })
      .sort({ _id: 1 })
      .limit(options.limit)
      .toArray()
  }

  /** False: there is none. */
  async delete(name: string, session: ClientSession): Promise<boolean> {
    return (await this.namespaces.deleteOne({ _id: name }, { session })).deletedCount > 0
  }

  /** Jobs know namespaces, and not the other way round (that would be a cycle): so this one question is asked of their collection itself. */
  async hasJobs(name: string, session: ClientSession): Promise<boolean> {
    return (await this.mongo.collection('jobs').findOne({ namespace: name }, { session, projection: { _id: 1 } })) !== null
  }
}
