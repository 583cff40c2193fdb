import { Injectable, type OnApplicationShutdown } from '@nestjs/common'
import { type Job, Queue, Worker } from 'bullmq'
import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { Clock } from '../platform/clock.js'
import { groupBy } from '../platform/group-by.js'
import { Logger } from '../platform/logging.js'
import { RedisConnections } from '../platform/redis.js'
import { SignalBus } from '../platform/signals.js'
import { withTimeout } from '../platform/timeout.js'
import { parseQueued, QueuedAttempts } from './domain/queued-attempts.js'

/** An attempt that waits to be placed; `dueAt` in ms since the epoch, `priority` as jobs have it (higher first). */
export type QueuedAttempt = {
  key: AttemptKey
  route: string
  priority: number
  dueAt: number
  /** The BullMQ job that it shares with others that were queued at once; its own is named by its key. */
  queuedAs?: string | undefined
  /** It comes after what is due on time, of the same priority. */
  isMissed?: boolean
}

/** BullMQ: 1 is first, 2^21 last. Two for each priority of ours: what is due on time, and after it what an outage held up. */
const bullPriority = ({ priority, isMissed = false }: QueuedAttempt): number => 2 * (1_001 - priority) + (isMissed ? 1 : 0)
const priorityOf = (job: Job): Pick<QueuedAttempt, 'priority' | 'isMissed'> => ({
  priority: 1_001 - Math.floor(job.priority / 2),
  isMissed: job.priority % 2 === 1,
})
const ANSWER_TIMEOUT_MS = 5_000
const MAX_OPEN_QUEUES = 500
/** An instance due later than this is not queued yet: the sweep queues it in time. */
export const QUEUE_AHEAD_MS = 5_000

/**
 * The BullMQ queues, one per route. A job in them means "place these attempts": of many that are queued at once some share one, because the calls for a BullMQ job cost as much
 * as all else of a short run. An attempt may be in two of them; which of them places it is decided by the attempt's unique key in MongoDB.
 */
@Injectable()
export class AttemptQueue implements OnApplicationShutdown {
  /** By route, the one used last at the end. */
  private readonly queues = new Map<string, Queue>()

  constructor(
    private readonly redis: RedisConnections,
    private readonly signals: SignalBus,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    await Promise.allSettled([...this.queues.values()].map((queue) => queue.close()))
  }

  /**
   * Queues attempts and tells all servers. Rejects when Redis does not answer in time: they stay WAITING in MongoDB, and the sweep queues them later. Unless `areNew`,
   * each has a BullMQ job of its own, named by its key: adding that again does nothing.
   */
  async add(attempts: readonly QueuedAttempt[], areNew: boolean): Promise<void> {
    if (!this.redis.isReady) throw new Error('Redis is away; the sweep will queue the attempts when it is back')
    const byRoute = groupBy(attempts, ({ route }) => route)
    const now = this.clock.now()
    await Promise.all(
      [...byRoute].map(([route, list]) => withTimeout(this.addToRoute(route, list, now, areNew), ANSWER_TIMEOUT_MS, 'Redis did not take attempts in time')),
    )
    for (const { route, dueAt } of attempts) {
      const at = Math.max(dueAt, now)
      this.signals.send('work', `${route} ${at}`, { route, at })
    }
  }

  /** Which of these attempts are in no BullMQ job, or only in one that is shared and may hold others of its attempts only. */
  async absent<T extends QueuedAttempt>(attempts: readonly T[]): Promise<T[]> {
    const isThere = await this.existing(attempts.flatMap((attempt) => this.jobKeys(attempt)))
    return attempts.filter((attempt) => !this.jobKeys(attempt).some((key) => isThere.has(key)))
  }

  /** BullMQ jobs of a route that wait and are due, from the `from`-th on in their order, with their attempts. */
  async waitingJobs(route: string, from: number, limit: number): Promise<{ id: string; attempts: AttemptKey[] }[]> {
    const queue = this.queue(route)
    const ids = await this.redis.commands.zrange(queue.toKey('prioritized'), String(from), String(from + limit - 1))
    const data = await Promise.all(ids.map((id) => this.redis.commands.hget(queue.toKey(id), 'data')))
    return ids.map((id, i) => ({ id, attempts: parseQueued(parseJson(data[i])) ?? [] }))
  }

  /** Removes BullMQ jobs that no server is at work on. */
  async remove(route: string, ids: readonly string[]): Promise<void> {
    const queue = this.queue(route)
    await withTimeout(Promise.all(ids.map((id) => queue.remove(id))), ANSWER_TIMEOUT_MS, 'Redis did not remove jobs in time')
  }

  /** Gives a job of a route back with those of its attempts that found no slot, to come first again, and tells all servers. */
  async putBack(route: string, job: Job<unknown, string>, token: string, rest: readonly AttemptKey[]): Promise<void> {
    await Promise.all([job.updateData(queuedData(rest)), job.moveToWait(token)])
    const at = this.clock.now()
    this.signals.send('work', `${route} ${at}`, { route, at })
  }

  /** Lets a job come again in `delayMs` with those of its attempts that could not be placed now. */
  async postpone(job: Job<unknown, string>, token: string, attempts: readonly AttemptKey[], delayMs: number): Promise<void> {
    await Promise.all([job.updateData(queuedData(attempts)), job.moveToDelayed(Date.now() + delayMs, token)])
  }

  /** Lets some of a job's attempts come again in `delayMs`, each by itself: the job goes on with the others. */
  async addLater(route: string, job: Job<unknown, string>, attempts: readonly AttemptKey[], delayMs: number): Promise<void> {
    const dueAt = this.clock.now() + delayMs
    await this.add(
      attempts.map((key) => ({ key, route, ...priorityOf(job), dueAt })),
      false,
    )
  }

  /** Removes all that Redis knows of a route. */
  async forget(route: string): Promise<void> {
    if (!this.redis.isReady) throw new Error('Redis is away')
    await withTimeout(this.queue(route).obliterate({ force: true }), ANSWER_TIMEOUT_MS, 'Redis did not forget a queue in time')
  }

  /** Takes jobs of a route by `getNextJob({block: false})`; runs nothing by itself. Whoever opens it closes it. */
  openConsumer(route: string): Worker<unknown, string> {
    const consumer = new Worker<unknown, string>(this.redis.keys.queueName(route), null, {
      connection: this.redis.queues,
      prefix: this.redis.keys.queuePrefix,
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

  /** Redis keys of the BullMQ jobs that the attempt may be in. */
  private jobKeys({ key, route, queuedAs }: Pick<QueuedAttempt, 'key' | 'route' | 'queuedAs'>): string[] {
    const ids = [attemptKeyString(key), ...(queuedAs === undefined ? [] : [queuedAs])]
    return ids.map((id) => this.redis.keys.job(route, id))
  }

  private async existing(keys: readonly string[]): Promise<Set<string>> {
    const distinct = [...new Set(keys)]
    // Sent in one go: the connection pipelines by itself.
    const found = await Promise.all(distinct.map((key) => this.redis.commands.exists(key)))
    return new Set(distinct.filter((_, i) => found[i] === 1))
  }

  private async addToRoute(route: string, attempts: QueuedAttempt[], now: number, areNew: boolean): Promise<void> {
    const wallNow = Date.now()
    const groups = groupBy(attempts, ({ key, queuedAs }) => (areNew ? queuedAs : undefined) ?? attemptKeyString(key))
    await this.queue(route).addBulk(
      [...groups].flatMap(([jobId, group]) => {
        const [first] = group
        if (first === undefined) return []
        const keys = group.map(({ key }) => key)
        // Counted from `timestamp`, which is by the wall clock as all of BullMQ is: where that is wrong, it is due all the same when consumers look for it.
        const delay = Math.max(0, first.dueAt - now)
        return [
          {
            name: 'place',
            data: queuedData(keys),
            opts: { jobId, priority: bullPriority(first), timestamp: wallNow, delay, removeOnComplete: true, removeOnFail: true },
          },
        ]
      }),
    )
  }

  /** Routes come and go; the queues used last are kept open. */
  private queue(route: string): Queue {
    const queue =
      this.queues.get(route) ??
      new Queue(this.redis.keys.queueName(route), { connection: this.redis.queues, prefix: this.redis.keys.queuePrefix, skipVersionCheck: true })
    if (!this.queues.delete(route)) queue.on('error', (err) => this.logger.warn('BullMQ queue failed', { route, err }))
    this.queues.set(route, queue)
    const [oldest] = this.queues
    if (oldest !== undefined && this.queues.size > MAX_OPEN_QUEUES) {
      this.queues.delete(oldest[0])
      oldest[1].close().catch((err: unknown) => this.logger.warn('Could not close a BullMQ queue', { route: oldest[0], err }))
    }
    return queue
  }
}

function parseJson(text: string | null | undefined): unknown {
  try {
    return JSON.parse(text ?? 'null')
  } catch {
    return undefined
  }
}

const queuedData = (keys: readonly AttemptKey[]): QueuedAttempts => ({ attempts: keys.map(attemptKeyString) })
