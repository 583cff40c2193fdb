import { hostname } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { Interval } from '@nestjs/schedule'
import type { ServerPage } from '@jobtrail/shared/api/cluster'
import { CONFIG, type Config } from '../config/config.js'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { Shutdown } from '../platform/shutdown.js'
import { VERSION } from '../platform/version.js'
import { SchedulesService } from '../schedules/schedules.service.js'
import { WorkerRegistry } from '../workers/worker-registry.js'
import { ServersRepository } from './servers.repository.js'

const REPORT_MS = 2_000

/** Tells the cluster of this server, and of all servers to whoever asks. */
@Injectable()
export class ServersService implements OnApplicationBootstrap {
  private readonly loopDelay = monitorEventLoopDelay({ resolution: 10 })
  private readonly startedAt = new Date()

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly repository: ServersRepository,
    private readonly schedules: SchedulesService,
    private readonly workers: WorkerRegistry,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
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
      const [lag, followers] = await Promise.all([this.metrics.logLag.get(), this.metrics.followers.get()])
      const sum = lag.values.find(({ metricName }) => metricName?.endsWith('_sum'))?.value ?? 0
      const count = lag.values.find(({ metricName }) => metricName?.endsWith('_count'))?.value ?? 0
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
        logLagMs: count === 0 ? 0 : Math.round((sum / count) * 1_000),
      })
      this.loopDelay.reset()
    } catch (err) {
      this.logger.warn('Could not report this server', { err })
    }
  }

  async list(): Promise<ServerPage> {
    const servers = await this.repository.list()
    return {
      items: servers.map(({ _id, startedAt, lastSeenAt, ...rest }) => ({ id: _id, startedAt: startedAt.toISOString(), lastSeenAt: lastSeenAt.toISOString(), ...rest })),
      next: null,
    }
  }
}
