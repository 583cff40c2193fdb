import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { Collection } from 'mongodb'
import { ensureCollection } from '../platform/ensure-collection.js'
import { Mongo } from '../platform/mongo.js'

/** A server as last heard of. */
export type ServerDocument = {
  _id: string
  host: string
  version: string
  startedAt: Date
  lastSeenAt: Date
  isScheduling: boolean
  isDraining: boolean
  workers: number
  followers: number
  eventLoopDelayMs: number
  logLagMs: number
  /** Absent in what older servers wrote. */
  mongodbMs?: number | null
  redisMs?: number | null
  /** How it stores data. Absent in what servers wrote before there were versions of that. */
  dataVersion?: number
}

@Injectable()
export class ServersRepository implements OnModuleInit {
  private readonly collection: Collection<ServerDocument>

  constructor(private readonly mongo: Mongo) {
    this.collection = mongo.collection<ServerDocument>('servers')
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, {
      name: 'servers',
      fields: {
        _id: 'string',
        host: 'string',
        version: 'string',
        startedAt: 'date',
        lastSeenAt: 'date',
        isScheduling: 'bool',
        isDraining: 'bool',
        workers: 'number',
        followers: 'number',
        eventLoopDelayMs: 'number',
        logLagMs: 'number',
      },
      indexes: [{ key: { lastSeenAt: 1 }, expireAfterSeconds: 3_600 }],
    })
  }

  async seen(server: ServerDocument): Promise<void> {
    await this.collection.replaceOne({ _id: server._id }, server, { upsert: true })
  }

  /** Whether a server with a lower version of the data was heard of since then. */
  async hasOlder(dataVersion: number, since: Date): Promise<boolean> {
    const older = { lastSeenAt: { $gte: since }, dataVersion: { $not: { $gte: dataVersion } } }
    return (await this.collection.findOne(older, { projection: { _id: 1 } })) !== null
  }

  async left(id: string): Promise<void> {
    await this.collection.deleteOne({ _id: id })
  }

  list(): Promise<ServerDocument[]> {
    return this.collection.find().sort({ _id: 1 }).limit(1_000).toArray()
  }
}
