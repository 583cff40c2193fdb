import { Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { Interval } from '@nestjs/schedule'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { mapBounded } from '../platform/map-bounded.js'
import { Metrics } from '../platform/metrics.js'
import { RedisConnections } from '../platform/redis.js'
import { Shutdown } from '../platform/shutdown.js'
import { SignalBus } from '../platform/signals.js'
import { AttemptQueue } from './attempt-queue.js'
import { parseRoute } from './domain/route.js'
import { Placement } from './placement.js'
import { WorkerSlots } from './ports/workers.js'
import { RouteConsumer } from './route-consumer.js'
import { StaleJobs } from './stale-jobs.js'
import { SweepLock } from './sweep-lock.js'
import { TasksRepository } from './tasks.repository.js'

const POLL_MS = 500
const LEARN_ROUTES_MS = 5_000
const IDLE_CLOSE_MS = 120_000
const MEASURED_ROUTES = 100
/** Counting may take a connection for a while, and placing wants one. */
const MEASURED_AT_A_TIME = 4

/** Opens a consumer for each route that workers of this server can serve, and wakes it when something is due or a slot is free. */
@Injectable()
export class Dispatcher implements OnApplicationBootstrap {
  private readonly consumers = new Map<string, { consumer: RouteConsumer; lastUsedAt: number }>()
  /** The one that has gone longest without a slot comes first: what piles up on one route holds up no other that the same workers serve. */
  private readonly routes = new Set<string>()
  private isStopped = false
  private isLearning = false

  constructor(
    private readonly queue: AttemptQueue,
    private readonly slots: WorkerSlots,
    private readonly placement: Placement,
    private readonly staleJobs: StaleJobs,
    private readonly sweepLock: SweepLock,
    private readonly tasks: TasksRepository,
    private readonly signals: SignalBus,
    private readonly redis: RedisConnections,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly shutdown: Shutdown,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.signals.on('work', ({ route, at }) => this.use(route, at - this.clock.now()))
    this.slots.onCapacity(() => this.wakeAll())
    this.shutdown.register('take', 'dispatcher', () => this.stop())
    this.shutdown.register('finish', 'placements', () => this.placement.idle())
  }

  /** The safety net under the signals: what a lost one would have told is found here. */
  @Interval(POLL_MS)
  poll(): void {
    this.wakeAll()
    const idleSince = performance.now() - IDLE_CLOSE_MS
    for (const [route, { consumer, lastUsedAt }] of this.consumers) {
      if (lastUsedAt > idleSince && this.slots.servesRoute(parseRoute(route))) continue
      this.consumers.delete(route)
      this.routes.delete(route)
      consumer.close().catch((err: unknown) => this.logger.warn('Could not close a consumer', { route, err }))
    }
  }

  /** Routes with waiting tasks that this server heard no signal of; those that nothing waits on and nobody here serves are forgotten. */
  @Interval(LEARN_ROUTES_MS)
  async learnRoutes(): Promise<void> {
    if (this.isStopped || this.isLearning) return
    this.isLearning = true
    try {
      const routes = await this.tasks.waitingRoutes()
      const isWaiting = new Set(routes)
      for (const route of this.routes) if (!isWaiting.has(route) && !this.consumers.has(route)) this.routes.delete(route)
      for (const route of routes) this.use(route, 0)
      await this.measureDepth(routes)
    } catch (err) {
      this.logger.warn('Could not look for waiting routes', { err })
    } finally {
      this.isLearning = false
    }
  }

  /** On one server: counting costs as much as there is to count. */
  private async measureDepth(routes: string[]): Promise<void> {
    if (!this.sweepLock.isOurs) {
      this.metrics.queueDepth.reset()
      return
    }
    const measured = routes.slice(0, MEASURED_ROUTES)
    const depths = await mapBounded(measured, MEASURED_AT_A_TIME, (route) => this.tasks.countWaiting(route))
    this.metrics.setQueueDepths(measured.map((route, i) => ({ route, depth: depths[i] ?? 0 })))
  }

  /** Whether this server takes from the route, and has just found nothing that waits there. */
  isClear(route: string): boolean {
    const open = this.consumers.get(route)
    if (open === undefined || this.isStopped) return false
    open.lastUsedAt = performance.now()
    return open.consumer.isClear
  }

  /** Something is about to wait there. */
  noteWaiting(route: string): void {
    this.consumers.get(route)?.consumer.noteWaiting()
  }

  /** Something waits on the route: its consumer stays open. */
  private use(route: string, delayMs: number): void {
    this.wake(route, delayMs)
    const open = this.consumers.get(route)
    if (open !== undefined) open.lastUsedAt = performance.now()
  }

  private putLast(route: string): void {
    if (this.routes.delete(route)) this.routes.add(route)
  }

  private wakeAll(): void {
    for (const route of this.routes) this.wake(route, 0)
  }

  private wake(route: string, delayMs: number): void {
    if (this.isStopped) return
    this.routes.add(route)
    const open = this.consumers.get(route)
    if (open !== undefined) {
      open.consumer.wake(delayMs)
      return
    }
    if (!this.redis.isReady || !this.slots.servesRoute(parseRoute(route))) return
    const consumer = new RouteConsumer(
      parseRoute(route),
      this.queue.openConsumer(route),
      this.slots,
      this.placement,
      () => this.staleJobs.drop(route),
      () => this.putLast(route),
      this.logger,
    )
    this.consumers.set(route, { consumer, lastUsedAt: performance.now() })
    consumer.wake(delayMs)
  }

  private async stop(): Promise<void> {
    this.isStopped = true
    await Promise.all([...this.consumers.values()].map(({ consumer }) => consumer.close()))
    this.consumers.clear()
    // Before the workers are told to go: an attempt still on its way to one of them would be lost.
    await this.placement.idle()
  }
}
