import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { Interval } from '@nestjs/schedule'
import { isFinalAttempt, isFinalInstance } from '@jobtrail/protocol/domain/statuses'
import { CONFIG, type Config } from '../config/config.js'
import { attemptId } from './attempt-document.js'
import { AttemptsRepository } from './attempts.repository.js'
import { type InstancePlace, nextAttemptOf, type UnfinishedInstance } from './instance-document.js'
import { InstancesRepository } from './instances.repository.js'
import { InstancesService, queuedAttempt } from './instances.service.js'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { eachAlone } from '../platform/map-bounded.js'
import { Metrics } from '../platform/metrics.js'
import { RedisConnections } from '../platform/redis.js'
import { Shutdown } from '../platform/shutdown.js'
import { AttemptQueue, QUEUE_AHEAD_MS } from './attempt-queue.js'
import { Leases } from './leases.js'
import { type PermitDocument, PermitsRepository } from './permits.repository.js'
import { Settlement } from './settlement.js'
import { SweepLock } from './sweep-lock.js'

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
/** Acquiring a permit and making the attempt take far less, also while MongoDB is slow. */
const PERMIT_GRACE_MS = 60_000
const JOBS_LOOKED_AT = 200
/** Of a job with held instances: each revision may have a route of its own. */
const ROUTES_LOOKED_AT = 50
/** How long a round looks for what is RUNNING and has ended. */
const STUCK_MS = 500
/** Sorts before every permit. */
const NO_PERMIT = { job: '', slot: 0 }

/**
 * Finds what a crash, or the loss of Redis, left half done, and does the rest. Leases are looked at by every server, all else by the one that is elected; each step is
 * conditional, so two do no harm.
 */
@Injectable()
export class Sweeper implements OnApplicationBootstrap {
  private isRunning = false
  private isStopped = false
  private round = 0
  /** How far the walk over the WAITING instances has come. */
  private waitingAfter: InstancePlace | undefined
  private runningAfter: InstancePlace | undefined
  private permitsAfter = NO_PERMIT
  private heldAfter = ''
  private redisEpoch: string | undefined
  /** Redis was emptied, or this server has just started: all that waits is compared with what is queued. */
  private isRecovering = true
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
    private readonly queue: AttemptQueue,
    private readonly lock: SweepLock,
    private readonly shutdown: Shutdown,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.shutdown.register('take', 'sweeper', async () => {
      this.isStopped = true
      await this.lock.release().catch((err: unknown) => this.logger.debug('The lock of the sweep was not released; it runs out by itself', { err }))
    })
  }

  @Interval(SWEEP_MS)
  async sweep(): Promise<void> {
    if (this.isRunning || this.isStopped) return
    this.isRunning = true
    const isElected = await this.lock.isElected()
    const isHealthy = (await this.tryTo('queueDue', () => this.queueDue(isElected))) && (await this.tryTo('expireLeases', () => this.expireLeases()))
    if (!isHealthy) this.healthySince = undefined
    await this.tryTo('watchRedis', () => this.watchRedis())
    if (isElected) await this.sweepElected()
    else this.metrics.instancesByStatus.reset()
    this.isRunning = false
  }

  private async sweepElected(): Promise<void> {
    await this.tryTo('recover', () => this.recover())
    if (this.round++ % SLOW_EVERY > 0) return
    await this.tryTo('requeueOverdue', () => this.requeueOverdue())
    await this.tryTo('settleStuck', () => this.settleStuck())
    await this.tryTo('releaseOldPermits', () => this.releaseOldPermits())
    await this.tryTo('useFreePermits', () => this.useFreePermits())
    await this.tryTo('measure', () => this.measure())
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
  private async queueDue(isElected: boolean): Promise<void> {
    const mayQueue = isElected && this.redis.isReady
    for (let isMore = true; isMore && !this.isStopped;) {
      // Asked in any case, because leases go by whether MongoDB answers.
      const due = await this.repository.findUnqueued(new Date(this.clock.now() + QUEUE_AHEAD_MS), mayQueue ? PAGE : 1)
      if (due.length === 0 || !mayQueue || !(await this.instances.enqueue(due))) return
      await this.repository.markQueued(due.map(({ _id }) => _id))
      isMore = due.length === PAGE
    }
  }

  /** On every server: whichever is elected next has to know. */
  private async watchRedis(): Promise<void> {
    if (!this.redis.isReady) return
    const epoch = await this.redis.readEpoch()
    if (this.redisEpoch !== undefined && epoch !== this.redisEpoch) {
      this.logger.warn('Redis was restarted or emptied: queueing all waiting instances again')
      this.waitingAfter = undefined
      this.isRecovering = true
    }
    this.redisEpoch = epoch
  }

  /** Adds again all that should be in BullMQ and is not. */
  private async recover(): Promise<void> {
    for (const endAt = performance.now() + RECOVER_MS; this.isRecovering && this.redis.isReady && performance.now() < endAt && !this.isStopped;) {
      if (!(await this.requeuePage(QUEUE_AHEAD_MS))) return
      this.isRecovering = this.waitingAfter !== undefined
      await this.lock.isElected()
    }
  }

  /** Some of what should have been placed by now: BullMQ may have lost a few without losing all, or a server died before it queued what it had stored. */
  private async requeueOverdue(): Promise<void> {
    if (!this.redis.isReady || this.isRecovering) return
    for (let pages = 0; pages < OVERDUE_PAGES; pages++) if (!(await this.requeuePage(-OVERDUE_MS)) || this.waitingAfter === undefined) return
  }

  /** One page of the walk over all that waits: queues what is due by `aheadMs` from now and in no BullMQ job. False when that failed. */
  private async requeuePage(aheadMs: number): Promise<boolean> {
    const page = await this.repository.findUnfinished('WAITING', this.waitingAfter, PAGE)
    const until = this.clock.now() + aheadMs
    // What is held is queued when a permit is free.
    const due = page.filter(({ queued, heldAt, dueAt }) => queued && heldAt === null && dueAt.getTime() <= until)
    if (due.length > 0 && !(await this.queueAbsent(due))) return false
    this.waitingAfter = page.length < PAGE ? undefined : page.at(-1)
    return true
  }

  private async queueAbsent(due: readonly UnfinishedInstance[]): Promise<boolean> {
    const attempts = due.map((instance) => ({ ...queuedAttempt(instance), instance }))
    const absent = (await this.queue.absent(attempts)).map(({ instance }) => instance)
    if (absent.length === 0) return true
    // Looked at once more: a BullMQ job ends after its attempts were placed.
    const waiting = await this.repository.findWaiting(absent.map(({ _id }) => _id))
    const lost = absent.filter(({ _id, attempt }) => waiting.get(_id) === attempt)
    if (lost.length === 0) return true
    // An attempt that was made, not claimed (its server died), and lost: its key is taken, so that its instance would WAIT for ever.
    const next = await this.attempts.findMany(lost.map((instance) => attemptId(nextAttemptOf(instance))))
    await this.settleEach(
      next.filter(({ status }) => isFinalAttempt(status)),
      (attempt) => attempt._id.instance,
      (attempt) => this.leases.conclude(attempt),
    )
    const isMade = new Set(next.map(({ _id }) => _id.instance))
    return this.instances.enqueue(lost.filter(({ _id }) => !isMade.has(_id)))
  }

  /** After a time in which MongoDB was away no heartbeat could be stored: workers first get the time to send one. */
  private async expireLeases(): Promise<void> {
    const now = performance.now()
    this.healthySince ??= now
    if (now - this.healthySince < 2 * this.config.heartbeatMs + 1_000) return
    await this.leases.expire(PAGE)
  }

  /**
   * RUNNING instances whose attempt has ended (a server died before it settled them) or was never made. By many pages a round, so that one is found within a minute also while
   * 100,000 run.
   */
  private async settleStuck(): Promise<void> {
    for (const endAt = performance.now() + STUCK_MS; performance.now() < endAt && !this.isStopped;) {
      await this.settleStuckPage()
      if (this.runningAfter === undefined) break
    }
    if (this.runningAfter !== undefined) return
    // A whole round came by without these: they are not RUNNING any more.
    for (const [id, since] of this.suspects) if (since < this.roundStartedAt - SETTLE_GRACE_MS) this.suspects.delete(id)
    this.roundStartedAt = performance.now()
  }

  private async settleStuckPage(): Promise<void> {
    const page = await this.repository.findUnfinished('RUNNING', this.runningAfter, PAGE)
    this.runningAfter = page.length < PAGE ? undefined : page.at(-1)
    const isLeased = await this.attempts.leasedAmong(page.map(({ _id, attempt }) => attemptId({ instanceId: _id, task: 0, attempt })))
    const now = performance.now()
    const stuck: UnfinishedInstance[] = []
    for (const instance of page) {
      if (isLeased.has(instance._id)) {
        this.suspects.delete(instance._id)
        continue
      }
      const since = this.suspects.get(instance._id)
      if (since === undefined) this.suspects.set(instance._id, now)
      else if (now - since >= SETTLE_GRACE_MS) stuck.push(instance)
    }
    if (stuck.length > 0) await this.settleAll(stuck)
  }

  private async settleAll(stuck: readonly UnfinishedInstance[]): Promise<void> {
    const found = await this.attempts.findMany(stuck.map(({ _id, attempt }) => attemptId({ instanceId: _id, task: 0, attempt })))
    const attempts = new Map(found.map((attempt) => [attempt._id.instance, attempt]))
    const settle = async (instance: UnfinishedInstance): Promise<void> => {
      const attempt = attempts.get(instance._id)
      this.suspects.delete(instance._id)
      this.logger.warn('Settling an instance that was left behind', { instanceId: instance._id })
      if (attempt === undefined) await this.repository.unclaim([{ instanceId: instance._id, attempt: instance.attempt }], this.clock.date())
      else if (isFinalAttempt(attempt.status)) await this.leases.conclude(attempt)
    }
    await this.settleEach(stuck, ({ _id }) => _id, settle)
  }

  /** One that cannot be settled must not keep the walk at its page for ever. */
  private settleEach<T>(items: readonly T[], idOf: (item: T) => string, settle: (item: T) => Promise<unknown>): Promise<void> {
    return eachAlone(items, 1, settle, (item, err) =>
      this.logger.error('An instance could not be settled; a later round tries again', { instanceId: idOf(item), err }),
    )
  }

  /** Permits of what does not run, and is not about to: their server died. */
  private async releaseOldPermits(): Promise<void> {
    const now = this.clock.now()
    const old = await this.permits.findOld(new Date(now - SETTLE_GRACE_MS), this.permitsAfter, PAGE)
    this.permitsAfter = old.length < PAGE ? NO_PERMIT : (old.at(-1)?._id ?? NO_PERMIT)
    if (old.length === 0) return
    const instances = new Map((await this.repository.findMany(old.map(({ instanceId }) => instanceId))).map((instance) => [instance._id, instance]))
    const isLeftBehind = ({ instanceId, since }: PermitDocument): boolean => {
      const status = instances.get(instanceId)?.status
      return status === undefined || isFinalInstance(status) || (status === 'WAITING' && since.getTime() < now - PERMIT_GRACE_MS)
    }
    const left = old.filter(isLeftBehind)
    await this.permits.takeBack(left)
    await this.settlement.permitsReleased(left.map(({ _id }) => ({ jobId: _id.job })))
  }

  /** Held instances of jobs with a free permit: whoever released that died before it queued the next one. */
  private async useFreePermits(): Promise<void> {
    if (!this.redis.isReady) return
    for (let count = 0; count < JOBS_LOOKED_AT; count++) {
      const jobId = await this.repository.nextJobWithHeld(this.heldAfter)
      this.heldAfter = jobId ?? ''
      if (jobId === undefined) return
      await this.useFreePermitsOf(jobId)
    }
  }

  /** No worker may serve the route of the first ones: those of a revision with another route must not wait for it. */
  private async useFreePermitsOf(jobId: string): Promise<void> {
    const routes: string[] = []
    while (routes.length < ROUTES_LOOKED_AT) {
      const [first] = await this.repository.findHeld(jobId, 1, { route: { $nin: routes } })
      if (first === undefined) return
      await this.settlement.useFreePermits(first, { route: first.route })
      routes.push(first.route)
    }
  }

  private async measure(): Promise<void> {
    const counts = await this.repository.countUnfinished()
    for (const status of ['WAITING', 'RUNNING']) this.metrics.instancesByStatus.set({ status }, counts[status] ?? 0)
  }
}
