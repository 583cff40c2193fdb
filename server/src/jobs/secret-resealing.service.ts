import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { Interval } from '@nestjs/schedule'
import { CONFIG, type Config } from '../config/config.js'
import { Logger } from '../platform/logging.js'
import { Shutdown } from '../platform/shutdown.js'
import { UnopenableSecretError } from '../platform/sealed-secret.js'
import { JobRevisionsRepository } from './job-revisions.repository.js'
import { JobsRepository } from './jobs.repository.js'
import { SecretBox, type Secrets } from './secret-box.service.js'

const EVERY_MS = 3_600_000
const PAGE = 100

/** Where secrets are stored: by page, after a key, and replaced only if they are still what was read. */
type Place<K> = {
  listSecrets(after: K | undefined, limit: number): Promise<{ key: K; jobId: string; secrets: Secrets }[]>
  replaceSecrets(key: K, from: Secrets, to: Secrets): Promise<void>
}

/**
 * Seals what is stored plain (by a former version), or with a key that is not the current one any more: at each start, since keys are changed by one, and each hour, since
 * servers that do not have the new key yet may still write. Two servers at once do no harm.
 */
@Injectable()
export class SecretResealing implements OnApplicationBootstrap {
  private isStopped = false
  private running: Promise<void> | undefined

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly box: SecretBox,
    private readonly jobs: JobsRepository,
    private readonly revisions: JobRevisionsRepository,
    private readonly shutdown: Shutdown,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.shutdown.register('take', 'sealing of secrets', async () => {
      this.isStopped = true
      await this.running
    })
    if (this.config.secretKeys.length === 0)
      this.logger.warn('JOBTRAIL_SECRET_KEYS is not set: new secrets of jobs are refused, and those that a former version stored are not sealed')
    void this.sweep()
  }

  @Interval('secret-resealing', EVERY_MS)
  async sweep(): Promise<void> {
    if (this.config.secretKeys.length === 0) return
    this.running ??= this.resealAll().finally(() => {
      this.running = undefined
    })
    await this.running
  }

  /** Never rejects. */
  private async resealAll(): Promise<void> {
    try {
      const sealed = (await this.resealIn(this.jobs)) + (await this.resealIn(this.revisions))
      if (sealed > 0) this.logger.info('Sealed stored secrets with the current key', { definitions: sealed, key: this.config.secretKeys[0]?.id })
    } catch (err) {
      this.logger.warn('Not all stored secrets are sealed with the current key yet; the next round goes on', { err })
    }
  }

  private async resealIn<K>(place: Place<K>): Promise<number> {
    let sealed = 0
    let after: K | undefined
    while (!this.isStopped) {
      const page = await place.listSecrets(after, PAGE)
      for (const { key, jobId, secrets } of page) {
        const anew = this.tryReseal(jobId, secrets)
        if (anew === undefined) continue
        await place.replaceSecrets(key, secrets, anew)
        sealed++
      }
      after = page.at(-1)?.key
      if (page.length < PAGE) break
    }
    return sealed
  }

  private tryReseal(jobId: string, secrets: Secrets): Secrets | undefined {
    try {
      return this.box.reseal(jobId, secrets)
    } catch (err) {
      if (!(err instanceof UnopenableSecretError)) throw err
      this.logger.error('Stored secrets cannot be opened, and are left as they are', { jobId, reason: err.message })
      return undefined
    }
  }
}
