import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { Interval } from '@nestjs/schedule'
import { isFinalAttempt, isFinalInstance } from '@jobtrail/shared/domain/statuses'
import { CONFIG, type Config } from '../config/config.js'
import { attemptId, AttemptsRepository } from '../instances/attempts.repository.js'
import type { InstancePlace, UnfinishedInstance } from '../instances/instance-document.js'
import { InstancesRepository } from '../instances/instances.repository.js'
import { InstancesService } from '../instances/instances.service.js'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { RedisConnections } from '../platform/redis.js'
import { Shutdown } from '../platform/shutdown.js'
import { QUEUE_AHEAD_MS } from './attempt-queue.js'
import { Leases } from './leases.js'
import { PermitsRepository } from './permits.repository.js'
import { Settlement } from './settlement.js'

const SWEEP_MS = 1_000
/** What is rarely needed is done in each such round only. */
const SLOW_EVERY = 5
const PAGE = 1_000
/** Pages that a round looks through for overdue instances: most of them may wait for a later time. The next round goes on. */
const OVERDUE_PAGES = 10
/** Leases have to be looked at also while very many instances are queued again. */
const RECOVER_MS = 5_000
/** An instance that is due for this long and still waits may have been lost by BullMQ. */
const OVERDUE_MS = 5_000
/** A claim or a settlement by another server may be under way for this long. */
const SETTLE_GRACE_MS = 10_000
/** Sorts before every permit. */
const NO_PERMIT = { job: '', slot: 0 }

/** Finds what a crash, or the loss of Redis, left half done, and does the rest. Every server sweeps; each step is conditional, so two do no harm. */
@Injectable()
export class Sweeper implements OnApplicationBootstrap {
  private isRunning = false
  private isStopped = false
  private round = 0
  /** How far the walk over the WAITING instances has come. */
  private waitingAfter: InstancePlace | undefined
  private runningAfter: InstancePlace | undefined
  private permitsAfter = NO_PERMIT
  private redisEpoch: string | undefined
  /** Redis was emptied, and not all that waits is in it again. */
  private isRecovering = false
  private healthySince: number | undefined
  /** RUNNING instances that looked stuck at the last look. */
  private readonly suspects = new Map<string, number>()
  /** When the present round over all RUNNING instances began. */
  private roundStartedAt = performance.now()

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly repository: InstancesRepository,
    private readonly instances: InstancesService,
    private readonly attempts: AttemptsRepository,
    private readonly leases: Leases,
    private readonly permits: PermitsRepository,
    private readonly settlement: Settlement,
    private readonly redis: RedisConnections,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly shutdown: Shutdown,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.shutdown.register('take', 'sweeper', () => {
      this.isStopped = true
    })
  }

  @Interval(SWEEP_MS)
  async sweep(): Promise<void> {
    if (this.isRunning || this.isStopped) return
    this.isRunning = true
    const isHealthy = (await this.tryTo('queueDue', () => this.queueDue())) && (await this.tryTo('expireLeases', () => this.expireLeases()))
    if (!isHealthy) this.healthySince = undefined
    await this.tryTo('requeueAfterLossOfRedis', () => this.requeueAfterLossOfRedis())
    if (this.round++ % SLOW_EVERY === 0) {
      await this.tryTo('requeueOverdue', () => this.requeueOverdue())
      await this.tryTo('settleStuck', () => this.settleStuck())
      await this.tryTo('releaseOldPermits', () => this.releaseOldPermits())
      await this.tryTo('measure', () => this.measure())
    }
    this.isRunning = false
  }

  /** A part that fails (a long walk that takes too long, say) must not keep the others from their work; false when it did. */
  private async tryTo(part: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (err) {
      this.logger.warn('Part of a sweep was cut short; the next one goes on', { part, err })
      return false
    }
  }

  /** Retries and delayed runs that come due. */
  private async queueDue(): Promise<void> {
    for (let isMore = true; isMore && !this.isStopped;) {
      // Also asked while Redis is away, because leases go by whether MongoDB answers.
      const due = await this.repository.findUnqueued(new Date(this.clock.now() + QUEUE_AHEAD_MS), this.redis.isReady ? PAGE : 1)
      if (due.length === 0 || !this.redis.isReady || !(await this.instances.enqueue(due))) return
      await this.repository.markQueued(due.map(({ _id }) => _id))
      isMore = due.length === PAGE
    }
  }

  /** Adds again all that should be in BullMQ. */
  private async requeueAfterLossOfRedis(): Promise<void> {
    if (!this.redis.isReady) return
    const epoch = await this.readRedisEpoch()
    if (this.redisEpoch !== undefined && epoch !== this.redisEpoch) {
      this.logger.warn('Redis was restarted or emptied: queueing all waiting instances again')
      this.waitingAfter = undefined
      this.isRecovering = true
    }
    this.redisEpoch = epoch
    for (const endAt = performance.now() + RECOVER_MS; this.isRecovering && performance.now() < endAt && !this.isStopped;) {
      if ((await this.requeuePage(QUEUE_AHEAD_MS)) === undefined) return
      this.isRecovering = this.waitingAfter !== undefined
    }
  }

  /** Some of what should have been placed by now: BullMQ may have lost a few without losing all. */
  private async requeueOverdue(): Promise<void> {
    if (!this.redis.isReady || this.isRecovering) return
    const overdue: UnfinishedInstance[] = []
    for (let pages = 0; pages < OVERDUE_PAGES && overdue.length < PAGE; pages++) {
      const found = await this.requeuePage(-OVERDUE_MS)
      overdue.push(...(found ?? []))
      if (found === undefined || this.waitingAfter === undefined) break
    }
    // An attempt that was made, not claimed (its server died), and lost: its key is taken, so that its instance would WAIT for ever.
    const next = await this.attempts.findMany(overdue.map(({ _id, attempt }) => attemptId({ instanceId: _id, task: 0, attempt: attempt + 1 })))
    for (const attempt of next) if (isFinalAttempt(attempt.status)) await this.leases.conclude(attempt)
  }

  /** Queues again what of the next page of WAITING instances is due in `aheadMs`; undefined when Redis did not take it, and the page is to come again. */
  private async requeuePage(aheadMs: number): Promise<UnfinishedInstance[] | undefined> {
    const page = await this.repository.findUnfinished('WAITING', this.waitingAfter, PAGE)
    const until = this.clock.now() + aheadMs
    const due = page.filter(({ queued, dueAt }) => queued && dueAt.getTime() <= until)
    if (due.length > 0 && !(await this.instances.enqueue(due))) return undefined
    this.waitingAfter = page.length < PAGE ? undefined : page.at(-1)
    return due
  }

  /** Changes when Redis restarts, fails over or is emptied. */
  private async readRedisEpoch(): Promise<string> {
    const key = `${this.config.keyPrefix}:epoch`
    await this.redis.commands.set(key, String(Date.now()), 'NX')
    const [mark, info] = await Promise.all([this.redis.commands.get(key), this.redis.commands.info('server')])
    return `${mark ?? ''} ${/run_id:(\w+)/.exec(info)?.[1] ?? ''}`
  }

  /** After a time in which MongoDB was away no heartbeat could be stored: workers first get the time to send one. */
  private async expireLeases(): Promise<void> {
    const now = performance.now()
    this.healthySince ??= now
    if (now - this.healthySince < 2 * this.config.heartbeatMs + 1_000) return
    await this.leases.expire(PAGE)
  }

  /** RUNNING instances whose attempt has ended (a server died before it settled them) or was never made. */
  private async settleStuck(): Promise<void> {
    const page = await this.repository.findUnfinished('RUNNING', this.runningAfter, PAGE)
    this.runningAfter = page.length < PAGE ? undefined : page.at(-1)
    const found = await this.attempts.findMany(page.map(({ _id, attempt }) => attemptId({ instanceId: _id, task: 0, attempt })))
    const attempts = new Map(found.map((attempt) => [attempt._id.instance, attempt]))
    const now = performance.now()
    for (const instance of page) {
      const attempt = attempts.get(instance._id)
      if (attempt !== undefined && !isFinalAttempt(attempt.status)) {
        this.suspects.delete(instance._id)
        continue
      }
      const since = this.suspects.get(instance._id)
      if (since === undefined) {
        this.suspects.set(instance._id, now)
        continue
      }
      if (now - since < SETTLE_GRACE_MS) continue
      this.suspects.delete(instance._id)
      this.logger.warn('Settling an instance that was left behind', { instanceId: instance._id })
      if (attempt === undefined) await this.repository.unclaim([{ instanceId: instance._id, attempt: instance.attempt }], this.clock.date())
      else await this.leases.conclude(attempt)
    }
    if (this.runningAfter !== undefined) return
    // A whole round came by without these: they are not RUNNING any more.
    for (const [id, since] of this.suspects) if (since < this.roundStartedAt - SETTLE_GRACE_MS) this.suspects.delete(id)
    this.roundStartedAt = performance.now()
  }

  private async releaseOldPermits(): Promise<void> {
    const old = await this.permits.findOld(new Date(this.clock.now() - SETTLE_GRACE_MS), this.permitsAfter, PAGE)
    this.permitsAfter = old.length < PAGE ? NO_PERMIT : (old.at(-1)?._id ?? NO_PERMIT)
    if (old.length === 0) return
    const unfinished = new Set(
      (await this.repository.findMany(old.map(({ instanceId }) => instanceId))).filter(({ status }) => !isFinalInstance(status)).map(({ _id }) => _id),
    )
    const free = old.filter(({ instanceId }) => !unfinished.has(instanceId)).map(({ _id, instanceId }) => ({ _id: instanceId, jobId: _id.job }))
    if (free.length > 0) await this.settlement.releasePermits(free)
  }

  private async measure(): Promise<void> {
    const counts = await this.repository.countUnfinished()
    for (const status of ['WAITING', 'RUNNING']) this.metrics.instancesByStatus.set({ status }, counts[status] ?? 0)
  }
}
