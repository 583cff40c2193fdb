import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common'
import { Queue, Worker } from 'bullmq'
import { type AttemptKey, attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { CONFIG, type Config } from '../config/config.js'
import { Clock } from '../platform/clock.js'
import { groupBy } from '../platform/group-by.js'
import { Logger } from '../platform/logging.js'
import { RedisConnections } from '../platform/redis.js'
import { SignalBus } from '../platform/signals.js'
import { withTimeout } from '../platform/timeout.js'

/** An attempt that waits to be placed; `dueAt` in ms since the epoch, `priority` as jobs have it (higher first). */
export type QueuedAttempt = { key: AttemptKey; route: string; priority: number; dueAt: number }

/** BullMQ: 1 is first, 2^21 last. */
const bullPriority = (priority: number): number => 1_001 - priority
const ANSWER_TIMEOUT_MS = 5_000
/** An instance due later than this is not queued yet: the sweep queues it in time. */
export const QUEUE_AHEAD_MS = 5_000

/** The BullMQ queues, one per route. A job in them means "place this attempt"; adding it twice does nothing, since its ID is the attempt's key. */
@Injectable()
export class AttemptQueue implements OnApplicationShutdown {
  private readonly queues = new Map<string, Queue>()

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly redis: RedisConnections,
    private readonly signals: SignalBus,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    await Promise.allSettled([...this.queues.values()].map((queue) => queue.close()))
  }

  /** Queues attempts and tells all servers. Rejects when Redis does not answer in time: they stay WAITING in MongoDB, and the sweep queues them later. */
  async add(attempts: readonly QueuedAttempt[]): Promise<void> {
    if (!this.redis.isReady) throw new Error('Redis is away; the sweep will queue the attempts when it is back')
    const byRoute = groupBy(attempts, ({ route }) => route)
    const now = this.clock.now()
    await Promise.all(
      [...byRoute].map(([route, list]) => withTimeout(this.addToRoute(route, list, now), ANSWER_TIMEOUT_MS, 'Redis did not take attempts in time')),
    )
    for (const { route, dueAt } of attempts) {
      const at = Math.max(dueAt, now)
      this.signals.send('work', `${route} ${at}`, { route, at })
    }
  }

  /** How many attempts of a route wait in Redis. */
  async depth(route: string): Promise<number> {
    const counts = await withTimeout(
      this.queue(route).getJobCounts('waiting', 'prioritized', 'delayed'),
      ANSWER_TIMEOUT_MS,
      'Redis did not count attempts in time',
    )
    return Object.values(counts).reduce((sum, count) => sum + count, 0)
  }

  /** Takes attempts of a route, one `getNextJob({block: false})` each; runs nothing by itself. Whoever opens it closes it. */
  openConsumer(route: string): Worker<unknown, string> {
    const consumer = new Worker<unknown, string>(bullName(route), null, {
      connection: this.redis.queues,
      prefix: this.config.keyPrefix,
      autorun: false,
      // A server that dies while it places an attempt gives the BullMQ job back after this long.
      lockDuration: 10_000,
      stalledInterval: 5_000,
      maxStalledCount: 1_000,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    })
    consumer.on('error', (err) => this.logger.warn('BullMQ consumer failed', { route, err }))
    // Only a running consumer looks for stalled jobs by itself.
    consumer.startStalledCheckTimer().catch((err: unknown) => this.logger.warn('Not looking for stalled BullMQ jobs', { route, err }))
    return consumer
  }

  private async addToRoute(route: string, attempts: QueuedAttempt[], now: number): Promise<void> {
    await this.queue(route).addBulk(
      attempts.map(({ key, priority, dueAt }) => ({
        name: 'place',
        data: { instanceId: key.instanceId, task: key.task, attempt: key.attempt },
        opts: { jobId: attemptKeyString(key), priority: bullPriority(priority), delay: Math.max(0, dueAt - now), removeOnComplete: true, removeOnFail: true },
      })),
    )
  }

  private queue(route: string): Queue {
    let queue = this.queues.get(route)
    if (queue === undefined) {
      queue = new Queue(bullName(route), { connection: this.redis.queues, prefix: this.config.keyPrefix, skipVersionCheck: true })
      queue.on('error', (err) => this.logger.warn('BullMQ queue failed', { route, err }))
      this.queues.set(route, queue)
    }
    return queue
  }
}

/** Braces are a Redis Cluster hash tag: all keys of a queue live on one node, queues spread over all. */
const bullName = (route: string): string => `{${route}}`
