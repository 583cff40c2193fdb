import { createHash, timingSafeEqual } from 'node:crypto'
import { Controller, Get, Header, Headers, Inject, Res } from '@nestjs/common'
import type { Response } from 'express'
import { Liveness, Readiness } from '@jobtrail/protocol/wire/health'
import { AppError } from '@jobtrail/protocol/domain/errors'
import { bearerOf } from '../auth/bearer.js'
import { Public } from '../auth/public.js'
import { CONFIG, type Config } from '../config/config.js'
import { Answers, AnswersText } from '../platform/http/openapi.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { Mongo } from '../platform/mongo.js'
import { RedisConnections } from '../platform/redis.js'
import { Shutdown } from '../platform/shutdown.js'
import { withTimeout } from '../platform/timeout.js'

const CHECK_TIMEOUT_MS = 2_500

type Dependency = 'mongodb' | 'redis'

/** Probes and metrics; open to everybody who reaches the port, since they tell no user's data. With JOBTRAIL_METRICS_TOKEN metrics name routes, and need it. */
@Controller()
@Public()
export class HealthController {
  private readonly away = new Set<Dependency>()

  constructor(
    private readonly mongo: Mongo,
    private readonly redis: RedisConnections,
    private readonly metrics: Metrics,
    private readonly shutdown: Shutdown,
    @Inject(CONFIG) private readonly config: Config,
    private readonly logger: Logger,
  ) {
    metrics.namesRoutes = config.metricsToken !== undefined
  }

  @Get('health/live')
  @Answers(Liveness)
  live(): Liveness {
    return { status: 'live' }
  }

  /** 503 while MongoDB is away or the server is leaving. Without Redis a server still shows logs and takes runs, so that alone only is said. */
  @Get('health/ready')
  @Answers(Readiness)
  @Answers(Readiness, { status: 503 })
  async ready(@Res({ passthrough: true }) response: Response): Promise<Readiness> {
    const [mongodb, redis] = await Promise.all([this.check('mongodb', () => this.mongo.ping()), this.check('redis', () => this.redis.ping())])
    const status = this.shutdown.isDraining ? 'draining' : mongodb === 'ok' ? 'ready' : 'unavailable'
    response.status(status === 'ready' ? 200 : 503)
    return { status, mongodb, redis }
  }

  /** Why it is away names hosts and ports: that is for the log. */
  private async check(dependency: Dependency, probe: () => Promise<void>): Promise<'ok' | 'away'> {
    try {
      await withTimeout(probe(), CHECK_TIMEOUT_MS, 'no answer')
      this.away.delete(dependency)
      return 'ok'
    } catch (err) {
      // Once for each time that it goes: probes come often, and from anybody.
      if (!this.away.has(dependency)) this.logger.warn('A probe of this server finds a database away', { dependency, err })
      this.away.add(dependency)
      return 'away'
    }
  }

  @Get('metrics')
  @AnswersText('text/plain')
  @Header('Content-Type', 'text/plain; version=0.0.4; charset=utf-8')
  print(@Headers('authorization') authorization: string | undefined): Promise<string> {
    const { metricsToken } = this.config
    if (metricsToken !== undefined && !isSame(bearerOf(authorization) ?? '', metricsToken))
      throw new AppError('UNAUTHENTICATED', 'This needs Authorization: Bearer with the JOBTRAIL_METRICS_TOKEN of the servers')
    return this.metrics.registry.metrics()
  }
}

/** Takes the same time whichever character differs. */
const isSame = (given: string, expected: string): boolean => timingSafeEqual(hashOf(given), hashOf(expected))
const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest()
