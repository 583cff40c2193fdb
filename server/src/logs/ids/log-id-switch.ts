import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common'
import { CONFIG, type Config } from '../../config/config.js'
import { idAt } from '../../engine/domain/instance-id.js'
import { InstanceReads } from '../../engine/instance-reads.service.js'
import { Clock } from '../../platform/clock.js'
import { Logger } from '../../platform/logging.js'
import { OlderServers } from '../ports/older-servers.js'
import { LogIdFormRepository } from './log-id-form.repository.js'
import { FRESH_MS, LogIds } from './log-ids.js'

const EVERY_MS = FRESH_MS / 5
/** From the decision to the first run that it is about: each server has to hear of it before. Much more than for how long a server relies on what it has read. */
const NOTICE_MS = 120_000
const SHORTEST_NOTICE_MS = 2 * FRESH_MS
const REMIND_MS = 60_000

/**
 * Decides, once, from which run on instance IDs are stored as bytes: when no server of an older version, which could not read them, was heard of for
 * `JOBTRAIL_UPGRADE_GRACE_MS`. Until then an upgrade can be taken back.
 */
@Injectable()
export class LogIdSwitch implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined
  private isStopped = false

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly repository: LogIdFormRepository,
    private readonly ids: LogIds,
    private readonly others: OlderServers,
    private readonly instances: InstanceReads,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    // Where nothing is stored yet and nobody wants to go back, there is nothing to wait for. All servers that start at the same time read what the first one stored.
    const isNew = this.config.upgradeGraceMs === 0 && !(await this.instances.hasAny())
    await this.repository.begin({ quietSince: null, ...(isNew ? { binaryFrom: '' } : {}) })
    await this.read()
  }

  onApplicationBootstrap(): void {
    this.schedule()
  }

  onApplicationShutdown(): void {
    this.isStopped = true
    clearTimeout(this.timer)
  }

  private schedule(): void {
    if (this.isStopped) return
    this.timer = setTimeout(() => void this.run(), this.ids.isDecided ? REMIND_MS : EVERY_MS)
  }

  private async run(): Promise<void> {
    try {
      await this.step()
    } catch (err) {
      this.logger.warn('How IDs of logs are stored could not be looked at; trying again', { err })
    } finally {
      this.schedule()
    }
  }

  private async step(): Promise<void> {
    const { quietSince } = await this.read()
    const isOlderThere = await this.others.areThere()
    if (this.ids.isDecided) {
      if (isOlderThere) this.logger.error('A server of an older version is running. It cannot read newer logs, and nobody can read the logs that it stores: stop it')
      return
    }
    const now = this.clock.date()
    if (isOlderThere) {
      if (quietSince !== null) await this.repository.noteQuiet(quietSince, null)
    } else if (quietSince === null) await this.repository.noteQuiet(null, now)
    else if (now.getTime() - quietSince.getTime() >= this.config.upgradeGraceMs) await this.decide(quietSince, now.getTime())
  }

  private async decide(quietSince: Date, now: number): Promise<void> {
    const noticeMs = Math.max(SHORTEST_NOTICE_MS, Math.min(NOTICE_MS, this.config.upgradeGraceMs))
    const binaryFrom = idAt(now + noticeMs)
    await this.repository.decide(quietSince, binaryFrom)
    this.logger.info('Logs of new runs will be stored in a form that older versions do not read', { from: new Date(now + noticeMs).toISOString() })
    await this.read()
  }

  private async read(): Promise<{ quietSince: Date | null }> {
    const readAt = performance.now()
    const { binaryFrom, quietSince } = await this.repository.find()
    this.ids.learn(binaryFrom, readAt)
    return { quietSince }
  }
}
