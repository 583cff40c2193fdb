import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common'
import { Cluster, Redis } from 'ioredis'
import { CONFIG, type Config } from '../config/config.js'
import type { RedisAddress } from '../config/redis-address.js'
import { Logger } from './logging.js'
import { RedisKeys } from './redis-keys.js'

const CONNECT_TIMEOUT_MS = 5_000
const retryDelay = (times: number): number => Math.min(2_000, 50 * 2 ** Math.min(times, 6)) * (0.5 + Math.random() / 2)

/** What differs between the connections. */
type Options = { maxRetriesPerRequest: number | null; enableOfflineQueue: boolean; enableAutoPipelining: boolean; commandTimeout?: number }

/** The Redis connections. Nothing in Redis is the truth: all of it can be rebuilt from MongoDB. */
@Injectable()
export class RedisConnections implements OnApplicationShutdown {
  readonly keys: RedisKeys
  /** For plain commands; fails at once while Redis is away, so that callers never hang. */
  readonly commands: Redis | Cluster
  /** For subscriptions only; subscribes again by itself after a reconnect. */
  readonly subscriber: Redis | Cluster
  /** For BullMQ, shared by all queues; it wants unlimited retries and tells by `isReady` whether it works. */
  readonly queues: Redis | Cluster

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly logger: Logger,
  ) {
    this.keys = new RedisKeys(config.keyPrefix)
    this.commands = connect(config.redis, { maxRetriesPerRequest: 0, enableOfflineQueue: false, enableAutoPipelining: true, commandTimeout: 5_000 })
    this.subscriber = connect(config.redis, { maxRetriesPerRequest: null, enableOfflineQueue: true, enableAutoPipelining: false })
    this.queues = connect(config.redis, { maxRetriesPerRequest: null, enableOfflineQueue: true, enableAutoPipelining: true })
    for (const [name, connection] of Object.entries({ commands: this.commands, subscriber: this.subscriber, queues: this.queues })) {
      connection.on('error', (err: Error) => this.logger.warn('Redis connection failed', { connection: name, err }))
    }
  }

  get isReady(): boolean {
    return this.commands.status === 'ready' && this.queues.status === 'ready'
  }

  async ping(): Promise<void> {
    await this.commands.ping()
  }

  /** Changes when a node of Redis restarts, fails over or is emptied: what was queued there may be gone. */
  async readEpoch(): Promise<string> {
    const marks = this.keys.epochs(this.commands instanceof Cluster)
    // Each by itself: the connection pipelines, and the nodes differ.
    await Promise.all(marks.map((mark) => this.commands.set(mark, String(Date.now()), 'NX')))
    const nodes = this.commands instanceof Cluster ? this.commands.nodes('master') : [this.commands]
    const [values, infos] = await Promise.all([
      Promise.all(marks.map((mark) => this.commands.get(mark))),
      Promise.all(nodes.map((node) => node.info('server'))),
    ])
    const runs = infos.map((info) => /run_id:(\w+)/.exec(info)?.[1] ?? '').toSorted()
    return [...values.map((value) => value ?? ''), ...runs].join(' ')
  }

  onApplicationShutdown(): void {
    this.commands.disconnect()
    this.subscriber.disconnect()
    this.queues.disconnect()
  }
}

function connect(address: RedisAddress, { enableOfflineQueue, enableAutoPipelining, ...options }: Options): Redis | Cluster {
  const { username, password, isTls } = address
  const node = {
    ...options,
    connectTimeout: CONNECT_TIMEOUT_MS,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(isTls ? { tls: {} } : {}),
  }
  const one = { ...node, enableOfflineQueue, enableAutoPipelining, retryStrategy: retryDelay }
  switch (address.kind) {
    case 'single':
      return new Redis({ ...one, host: address.host, port: address.port, db: address.db })
    case 'sentinel':
      return new Redis({
        ...one,
        sentinels: address.sentinels,
        name: address.name,
        db: address.db,
        sentinelRetryStrategy: retryDelay,
        ...(isTls ? { enableTLSForSentinelMode: true } : {}),
      })
    case 'cluster':
      return new Cluster(address.nodes, {
        redisOptions: node,
        enableOfflineQueue,
        enableAutoPipelining,
        clusterRetryStrategy: retryDelay,
        slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
        // Replicas may lag behind.
        scaleReads: 'master',
      })
  }
}
