import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common'
import { Redis } from 'ioredis'
import { CONFIG, type Config } from '../config/config.js'
import { Logger } from './logging.js'

/** The Redis connections. Nothing in Redis is the truth: all of it can be rebuilt from MongoDB. */
@Injectable()
export class RedisConnections implements OnApplicationShutdown {
  /** For plain commands; fails at once while Redis is away, so that callers never hang. */
  readonly commands: Redis
  /** For subscriptions only; subscribes again by itself after a reconnect. */
  readonly subscriber: Redis
  /** For BullMQ, shared by all queues; it wants unlimited retries and tells by `isReady` whether it works. */
  readonly queues: Redis

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly logger: Logger,
  ) {
    const retryStrategy = (times: number): number => Math.min(2_000, 50 * 2 ** Math.min(times, 6)) * (0.5 + Math.random() / 2)
    const common = { retryStrategy, connectTimeout: 5_000, enableAutoPipelining: true }
    this.commands = new Redis(config.redisUrl, { ...common, maxRetriesPerRequest: 0, enableOfflineQueue: false, commandTimeout: 5_000 })
    this.subscriber = new Redis(config.redisUrl, { ...common, maxRetriesPerRequest: null, enableAutoPipelining: false })
    this.queues = new Redis(config.redisUrl, { ...common, maxRetriesPerRequest: null })
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

  onApplicationShutdown(): void {
    this.commands.disconnect()
    this.subscriber.disconnect()
    this.queues.disconnect()
  }
}
