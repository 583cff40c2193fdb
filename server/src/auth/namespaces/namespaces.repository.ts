import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { ClientSession, Collection, Filter } from 'mongodb'
import { ensureCollection } from '../../platform/http/ensure-collection.js'
import { Mongo } from '../../platform/mongo.js'

/** `_id` is the name. */
export type NamespaceDocument = { _id: string; description: string; createdAt: Date }

@Injectable()
export class NamespacesRepository implements OnModuleInit {
  private readonly namespaces: Collection<NamespaceDocument>

  constructor(private readonly mongo: Mongo) {
    this.namespaces = mongo.collection('namespaces')
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, { name: 'namespaces', fields: { _id: 'string', description: 'string', createdAt: 'date' } })
  }

  async insert(namespace: NamespaceDocument, session: ClientSession): Promise<void> {
    await this.namespaces.insertOne(namespace, { session })
  }

  /** In a transaction, with its session, as of its snapshot. */
  async exists(name: string, session?: ClientSession): Promise<boolean> {
    return (await this.namespaces.findOne({ _id: name }, { projection: { _id: 1 }, ...(session === undefined ? {} : { session }) })) !== null
  }

  async existing(names: string[]): Promise<Set<string>> {
    const found = await this.namespaces.find({ _id: { $in: names } }, { projection: { _id: 1 } }).toArray()
    return new Set(found.map((each) => each._id))
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
