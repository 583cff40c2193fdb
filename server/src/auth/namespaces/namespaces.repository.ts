import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { ClientSession, Collection, Filter } from 'mongodb'
import type { Retention } from '@jobtrail/api/auth'
import { ensureCollection } from '../../platform/ensure-collection.js'
import { Mongo } from '../../platform/mongo.js'
import type { Reads } from '../../platform/reads.js'

/**
 * `_id` is the name. `additions` counts what was added to it, so that a removal of the same moment conflicts. What `retention` does not name is kept; without
 * `revision` it was never changed. With `removedAt` it is not there any more for anybody: what it held is being deleted, and until that is done its name is taken.
 * `emptySince`: when nothing was found to delete for the first time.
 */
export type NamespaceDocument = {
  _id: string
  description: string
  createdAt: Date
  additions?: number
  retention?: Partial<Retention>
  revision?: number
  removedAt?: Date
  emptySince?: Date
}
/** One whose data is being deleted. */
export type RemovedNamespace = { name: string; removedAt: Date; emptySince: Date | undefined }

const PRESENT = { removedAt: { $exists: false } } as const
const MAX_REMOVED = 100

@Injectable()
export class NamespacesRepository implements OnModuleInit {
  private readonly namespaces: Collection<NamespaceDocument>
  private readonly reads: Reads<NamespaceDocument>

  constructor(private readonly mongo: Mongo) {
    this.namespaces = mongo.collection('namespaces')
    this.reads = mongo.reads('namespaces')
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, {
      name: 'namespaces',
      fields: { _id: 'string', description: 'string', createdAt: 'date' },
      optional: { additions: 'number', retention: 'object', revision: 'number', removedAt: 'date', emptySince: 'date' },
    })
  }

  async insert(namespace: NamespaceDocument, session: ClientSession): Promise<void> {
    await this.namespaces.insertOne(namespace, { session })
  }

  /** Of a transaction that adds something to the namespace and one that removes it, one fails, and finds the other's result when it runs again. False: there is none. */
  async noteAddition(name: string, session: ClientSession): Promise<boolean> {
    return (await this.namespaces.updateOne({ _id: name, ...PRESENT }, { $inc: { additions: 1 } }, { session })).matchedCount > 0
  }

  find(name: string, session?: ClientSession): Promise<NamespaceDocument | null> {
    return this.namespaces.findOne({ _id: name, ...PRESENT }, session === undefined ? {} : { session })
  }

  async replace(namespace: NamespaceDocument, session: ClientSession): Promise<void> {
    await this.namespaces.replaceOne({ _id: namespace._id, ...PRESENT }, namespace, { session })
  }

  /** Those in which something is not kept for ever. */
  findWithRetention(): Promise<NamespaceDocument[]> {
    const isSet = { $type: 'number' } as const
    return this.namespaces
      .find({ ...PRESENT, $or: [{ 'retention.runsDays': isSet }, { 'retention.logsDays': isSet }, { 'retention.auditDays': isSet }] })
      .toArray()
  }

  /** Which of `names` are there. */
  async findPresent(names: readonly string[]): Promise<Set<string>> {
    const found = await this.namespaces.find({ _id: { $in: [...names] }, ...PRESENT }, { projection: { _id: 1 } }).toArray()
    return new Set(found.map(({ _id }) => _id))
  }

  /** By name, after `afterName`; `names` keeps those only. */
  list(options: { names?: readonly string[] | undefined; afterName?: string | undefined; limit: number }): Promise<NamespaceDocument[]> {
    const conditions: Filter<NamespaceDocument>[] = [PRESENT]
    if (options.names !== undefined) conditions.push({ _id: { $in: [...options.names] } })
    if (options.afterName !== undefined) conditions.push({ _id: { $gt: options.afterName } })
    return this.namespaces.find({ $and: conditions }).sort({ _id: 1 }).limit(options.limit).toArray()
  }

  /** False: there is none. From here on it exists for nobody, but its name is taken until {@link forget}. */
  async markRemoved(name: string, at: Date, session: ClientSession): Promise<boolean> {
    return (await this.namespaces.updateOne({ _id: name, ...PRESENT }, { $set: { removedAt: at } }, { session })).matchedCount > 0
  }

  async isRemoved(name: string): Promise<boolean> {
    return (await this.namespaces.findOne({ _id: name, removedAt: { $exists: true } }, { projection: { _id: 1 } })) !== null
  }

  /** The longest waiting first. */
  async findRemoved(): Promise<RemovedNamespace[]> {
    const found = await this.namespaces
      .find({ removedAt: { $exists: true } })
      .sort({ removedAt: 1 })
      .limit(MAX_REMOVED)
      .toArray()
    return found.flatMap(({ _id, removedAt, emptySince }) => (removedAt === undefined ? [] : [{ name: _id, removedAt, emptySince }]))
  }

  /** null: something was found after all. */
  async noteEmpty(name: string, since: Date | null): Promise<void> {
    await this.namespaces.updateOne(
      { _id: name, removedAt: { $exists: true } },
      since === null ? { $unset: { emptySince: 1 } } : { $set: { emptySince: since } },
    )
  }

  /** Nothing of it is left: its name is free. */
  async forget(name: string): Promise<void> {
    await this.namespaces.deleteOne({ _id: name, removedAt: { $exists: true } })
  }

  async names(limit: number): Promise<string[]> {
    return (await this.reads.find({}, { projection: { _id: 1 }, limit }).toArray()).map(({ _id }) => _id)
  }

  /** When they were made. */
  async createdAt(names: readonly string[]): Promise<Map<string, Date>> {
    const found = await this.namespaces.find({ _id: { $in: [...names] } }, { projection: { createdAt: 1 } }).toArray()
    return new Map(found.map(({ _id, createdAt }) => [_id, createdAt]))
  }
}
