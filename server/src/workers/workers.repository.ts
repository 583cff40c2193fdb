import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { Collection, Filter } from 'mongodb'
import { ensureCollection } from '../platform/ensure-collection.js'
import { deleteSome } from '../platform/delete-some.js'
import { isDuplicateKey, Mongo } from '../platform/mongo.js'
import type { Reads } from '../platform/reads.js'

/** Whether a user wants a worker drained; `revision` grows with each change, so that of two readings the newer is known. */
export type DrainWish = { isWanted: boolean; revision: number }

/** Why a worker was not let in, or no longer. */
export type Refusal = { reason: string; at: Date }

/** A worker as last heard of; `serverId` is where it is connected, null after it left in order. `connectionId` changes with each connection. */
export type WorkerDocument = {
  _id: string
  namespace: string
  name: string
  group: string
  tags: string[]
  handlers: string[]
  slots: number
  freeSlots: number
  version: string
  host: string
  serverId: string | null
  connectionId: string | null
  isDraining: boolean
  /** Absent until first asked for. Outlives connections; forgotten with the worker. */
  drain?: DrainWish
  /** Which process of the worker connected last; never shown. Absent where it did so before this was noted. */
  incarnation?: string
  /** What it connected with last; absent where it did so before this was noted. */
  tokenId?: string
  /** Why it was turned away since it was last connected. */
  lastRefusal?: Refusal
  spoolBytes: number
  /** Why it takes no work though it is connected, by its last heartbeat. */
  problem?: string
  connectedAt: Date
  lastHeartbeatAt: Date
}

type ConnectedWorker = Omit<WorkerDocument, 'drain' | 'lastRefusal' | 'problem'> & { incarnation: string }

const FORGET_AFTER_S = 7 * 86_400

@Injectable()
export class WorkersRepository implements OnModuleInit {
  private readonly collection: Collection<WorkerDocument>
  private readonly reads: Reads<WorkerDocument>

  constructor(private readonly mongo: Mongo) {
    this.collection = mongo.collection<WorkerDocument>('workers')
    this.reads = mongo.reads<WorkerDocument>('workers')
  }

  async onModuleInit(): Promise<void> {
    const textOrNull = ['string', 'null'] as const
    await ensureCollection(this.mongo.db, {
      name: 'workers',
      fields: {
        _id: 'string',
        namespace: 'string',
        name: 'string',
        group: 'string',
        tags: 'array',
        handlers: 'array',
        slots: 'number',
        freeSlots: 'number',
        version: 'string',
        host: 'string',
        serverId: textOrNull,
        connectionId: textOrNull,
        isDraining: 'bool',
        spoolBytes: 'number',
        connectedAt: 'date',
        lastHeartbeatAt: 'date',
      },
      optional: { drain: 'object', incarnation: 'string', tokenId: 'string', lastRefusal: 'object', problem: 'string' },
      indexes: [{ key: { namespace: 1, _id: 1 } }, { key: { lastHeartbeatAt: 1 }, expireAfterSeconds: FORGET_AFTER_S }],
    })
  }

  findById(id: string): Promise<WorkerDocument | null> {
    return this.collection.findOne({ _id: id })
  }

  /** Where a worker belongs, and who was it last. */
  identityOf(id: string): Promise<Pick<WorkerDocument, 'namespace' | 'group' | 'host'> | null> {
    return this.collection.findOne({ _id: id }, { projection: { namespace: 1, group: 1, host: 1 } })
  }

  /**
   * Notes a connection, unless another process of the same ID may be alive: heard of since `aliveSince`, and not known to be dead. Then the answer is 'taken', and
   * nothing has changed. `former`: whom the new process replaces, and is sure that it is dead; or that it is of protocol 1, which cannot say so: of those a connection that
   * has ended on the same host has to do. What users want of it stays; the answer says it.
   */
  async connected(
    { _id, ...worker }: ConnectedWorker,
    aliveSince: Date,
    former: { incarnation: string } | 'unknown' | 'none',
  ): Promise<{ drain: DrainWish | undefined } | 'taken'> {
    const { incarnation, host } = worker
    // That a connection has ended says nothing: what its process runs has the rest of its lease, and it may be connecting again.
    const isFree: Filter<WorkerDocument>[] = [{ incarnation }, { incarnation: { $exists: false } }, { lastHeartbeatAt: { $lt: aliveSince } }]
    if (former === 'unknown') isFree.push({ serverId: null, host })
    else if (former !== 'none') isFree.push({ incarnation: former.incarnation })
    try {
      const stored = await this.collection.findOneAndUpdate(
        { _id, $or: isFree },
        { $set: worker, $unset: { lastRefusal: 1, problem: 1 } },
        { upsert: true, returnDocument: 'after', projection: { drain: 1 } },
      )
      return { drain: stored?.drain }
    } catch (error) {
      // The filter passed over the document, so an insert was tried. Of two that are new at the same time the loser comes again.
      if (isDuplicateKey(error)) return 'taken'
      throw error
    }
  }

  /** Notes why a worker, or all that used a token, are away. */
  async refused(which: { namespace: string } & ({ _id: string } | { tokenId: string }), lastRefusal: Refusal): Promise<void> {
    await this.collection.updateMany(which, { $set: { lastRefusal } })
  }

  /** False when there is no such worker. */
  async setDrain(id: string, isWanted: boolean): Promise<boolean> {
    const { matchedCount } = await this.collection.updateOne({ _id: id }, { $set: { 'drain.isWanted': isWanted }, $inc: { 'drain.revision': 1 } })
    return matchedCount === 1
  }

  /**
   * Says where it is connected each time: a hello or a goodbye that came late may have said otherwise. The answer is what users want of it; null when the worker is
   * another process by now.
   */
  async heartbeat(
    id: string,
    incarnation: string,
    { problem, ...change }: Pick<WorkerDocument, 'problem' | 'serverId' | 'connectionId' | 'freeSlots' | 'isDraining' | 'spoolBytes' | 'lastHeartbeatAt'>,
  ): Promise<{ drain: DrainWish | undefined } | null> {
    const stored = await this.collection.findOneAndUpdate(
      { _id: id, incarnation },
      problem === undefined ? { $set: change, $unset: { problem: 1 } } : { $set: { ...change, problem } },
      { returnDocument: 'after', projection: { drain: 1 } },
    )
    return stored === null ? null : { drain: stored.drain }
  }

  async disconnected(id: string, connectionId: string): Promise<void> {
    await this.collection.updateOne({ _id: id, connectionId }, { $set: { serverId: null, connectionId: null, freeSlots: 0 } })
  }

  /** Some of a namespace that was removed; how many. */
  deleteSomeOf(namespace: string): Promise<number> {
    return deleteSome(this.collection, { namespace })
  }

  list(filter: Filter<WorkerDocument>, limit: number): Promise<WorkerDocument[]> {
    return this.reads.find(filter).sort({ _id: 1 }).limit(limit).toArray()
  }
}
