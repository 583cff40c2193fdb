import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { Collection, Filter } from 'mongodb'
import { Mongo } from '../platform/mongo.js'

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
  spoolBytes: number
  connectedAt: Date
  lastHeartbeatAt: Date
}

const FORGET_AFTER_S = 7 * 86_400

@Injectable()
export class WorkersRepository implements OnModuleInit {
  private readonly collection: Collection<WorkerDocument>

  constructor(mongo: Mongo) {
    this.collection = mongo.collection<WorkerDocument>('workers')
  }

  async onModuleInit(): Promise<void> {
    await this.collection.createIndexes([{ key: { namespace: 1, _id: 1 } }, { key: { lastHeartbeatAt: 1 }, expireAfterSeconds: FORGET_AFTER_S }])
  }

  async namespaceOf(id: string): Promise<string | undefined> {
    return (await this.collection.findOne({ _id: id }, { projection: { namespace: 1 } }))?.namespace
  }

  async connected(worker: WorkerDocument): Promise<void> {
    await this.collection.replaceOne({ _id: worker._id }, worker, { upsert: true })
  }

  /** Says where it is connected each time: a hello or a goodbye that came late may have said otherwise. */
  async heartbeat(
    id: string,
    change: Pick<WorkerDocument, 'serverId' | 'connectionId' | 'freeSlots' | 'isDraining' | 'spoolBytes' | 'lastHeartbeatAt'>,
  ): Promise<void> {
    await this.collection.updateOne({ _id: id }, { $set: change })
  }

  async disconnected(id: string, connectionId: string): Promise<void> {
    await this.collection.updateOne({ _id: id, connectionId }, { $set: { serverId: null, connectionId: null, freeSlots: 0 } })
  }

  list(filter: Filter<WorkerDocument>, limit: number): Promise<WorkerDocument[]> {
    return this.collection.find(filter).sort({ _id: 1 }).limit(limit).toArray()
  }
}
