import { hostname } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { Interval } from '@nestjs/schedule'
import type { ServerPage } from '@jobtrail/api/cluster'
import { CONFIG, type Config } from '../config/config.js'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { Mongo } from '../platform/mongo.js'
import { RedisConnections } from '../platform/redis.js'
import { Shutdown } from '../platform/shutdown.js'
import { withTimeout } from '../platform/timeout.js'
import { VERSION } from '../platform/version.js'
import { SchedulesService } from '../schedules/schedules.service.js'
import { WorkerRegistry } from '../workers/worker-registry.js'
import { ServersRepository } from './servers.repository.js'

const REPORT_MS = 2_000
const PING_TIMEOUT_MS = 1_500

/** Tells the cluster of this server, and of all servers to whoever asks. */
@Injectable()
export class ServersService implements OnApplicationBootstrap {
  private readonly loopDelay = monitorEventLoopDelay({ resolution: 10 })
  private readonly startedAt = new Date()
  private lastLag = { sum: 0, count: 0 }

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly repository: ServersRepository,
    private readonly schedules: SchedulesService,
    private readonly workers: WorkerRegistry,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly mongo: Mongo,
    private readonly redis: RedisConnections,
    private readonly shutdown: Shutdown,
    private readonly logger: Logger,
  ) {
    this.loopDelay.enable()
  }

  async onApplicationBootstrap(): Promise<void> {
    this.shutdown.register('finish', 'server list', () => this.repository.left(this.config.serverId))
    await this.report()
  }

  @Interval(REPORT_MS)
  async report(): Promise<void> {
    if (this.shutdown.isDraining) return
    try {
      const [logLagMs, followers, mongodbMs, redisMs] = await Promise.all([
        this.logLagMs(),
        this.metrics.followers.get(),
        answerMs(() => this.mongo.ping()),
        answerMs(() => this.redis.ping()),
      ])
      await this.repository.seen({
        _id: this.config.serverId,
        host: hostname(),
        version: VERSION,
        startedAt: this.startedAt,
        lastSeenAt: this.clock.date(),
        isScheduling: this.schedules.isLeader,
        isDraining: this.shutdown.isDraining,
        workers: this.workers.all.length,
        followers: followers.values[0]?.value ?? 0,
        eventLoopDelayMs: Math.round(this.loopDelay.percentile(99) / 1e6),
        logLagMs,
        mongodbMs,
        redisMs,
      })
      this.loopDelay.reset()
    } catch (err) {
      this.logger.warn('Could not report this server', { err })
    }
  }

  async list(): Promise<ServerPage> {
    const servers = await this.repository.list()
    return {
      items: servers.map(({ _id, startedAt, lastSeenAt, mongodbMs = null, redisMs = null, ...rest }) => ({
        id: _id,
        startedAt: startedAt.toISOString(),
        lastSeenAt: lastSeenAt.toISOString(),
        mongodbMs,
        redisMs,
        ...rest,
      })),
      next: null,
    }
  }

  /** The mean since the last report. */
  private async logLagMs(): Promise<number> {
    const { values } = await this.metrics.logLag.get()
    const of = (end: string): number => values.find(({ metricName }) => metricName?.endsWith(end))?.value ?? 0
    const [sum, count] = [of('_sum'), of('_count')]
    const chunks = count - this.lastLag.count
    const meanMs = chunks === 0 ? 0 : Math.round(((sum - this.lastLag.sum) / chunks) * 1_000)
    this.lastLag = { sum, count }
    return meanMs
  }
}

async function answerMs(ping: () => Promise<void>): Promise<number | null> {
  const startedAt = performance.now()
  try {
    await withTimeout(ping(), PING_TIMEOUT_MS, 'no answer')
    return Math.round((performance.now() - startedAt) * 10) / 10
  } catch {
    // Not answering is what is to be said; the reason is in the log of whoever needed it.
    return null
  }
}
