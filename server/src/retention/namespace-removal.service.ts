import { Inject, Injectable, type OnModuleInit } from '@nestjs/common'
import { Interval } from '@nestjs/schedule'
import { NamespacesService, type RemovedNamespace } from '../auth/namespaces/namespaces.service.js'
import { WorkerTokensService } from '../auth/tokens/worker-tokens.service.js'
import { CONFIG, type Config } from '../config/config.js'
import { EndedRuns } from '../engine/ended-runs.service.js'
import { InstancesService } from '../engine/instances.service.js'
import { JobHistory } from '../jobs/job-history.service.js'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { Shutdown } from '../platform/shutdown.js'
import { WorkerDirectory } from '../workers/worker-directory.js'
import { firstUpTo } from './domain/due.js'
import { NamespaceRemovalLock } from './retention-lock.js'
import { Removal } from './removal.service.js'
import { RetentionProgressRepository } from './retention-progress.repository.js'

const TICK_MS = 1_000
/** So much of each tick at most, and what is begun. */
const WORK_MS = 500
/** Runs of one step. */
const PAGE = 250
/** Attempts of one step. */
const PAGE_ATTEMPTS = 1_000
const FAILURE_PAUSE_MS = 5_000
const WHY = 'The namespace was removed'

/** `wait`: something has to happen elsewhere first. */
type Step = 'more' | 'wait' | 'nothing'

/**
 * Deletes what was in removed namespaces, one server at a time, a bounded step after the other: what runs is cancelled, then the worker tokens go, then runs with their logs, and
 * all else. Each step asks what is there, so it goes on wherever a crash left it. A name is free when a look one lease after the first in vain finds nothing either: what a server
 * or worker that stood still for a moment stored late is gone by then too.
 */
@Injectable()
export class NamespaceRemoval implements OnModuleInit {
  private current: Promise<void> | undefined
  private isStopped = false
  private nextAt = 0

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly namespaces: NamespacesService,
    private readonly workerTokens: WorkerTokensService,
    private readonly instances: InstancesService,
    private readonly runs: EndedRuns,
    private readonly jobs: JobHistory,
    private readonly workers: WorkerDirectory,
    private readonly progress: RetentionProgressRepository,
    private readonly removal: Removal,
    private readonly lock: NamespaceRemovalLock,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly shutdown: Shutdown,
  ) {}

  onModuleInit(): void {
    this.shutdown.register('take', 'namespace removal', async () => {
      this.isStopped = true
      await this.current
    })
  }

  @Interval('namespace-removal', TICK_MS)
  async tick(): Promise<void> {
    if (this.isStopped || this.current !== undefined || performance.now() < this.nextAt) return
    this.current = this.work()
    await this.current
    this.current = undefined
  }

  /** Never rejects. */
  private async work(): Promise<void> {
    try {
      const removed = await this.namespaces.findRemoved()
      if (removed.length === 0 || (await this.lock.take()) !== 'ours') return
      const endAt = performance.now() + WORK_MS
      for (const namespace of removed) {
        while ((await this.tryStep(namespace)) === 'more') if (this.isStopped || performance.now() >= endAt) return
      }
    } catch (err) {
      this.nextAt = performance.now() + FAILURE_PAUSE_MS * (0.5 + Math.random())
      this.logger.warn('Could not look for removed namespaces; trying again later', { err })
    }
  }

  /** What is wrong with one must not keep the others from being deleted. */
  private async tryStep(namespace: RemovedNamespace): Promise<Step> {
    try {
      return await this.step(namespace)
    } catch (err) {
      this.logger.warn('Deleting what was in a removed namespace was cut short; it goes on later', { namespace: namespace.name, err })
      return 'wait'
    }
  }

  private async step(namespace: RemovedNamespace): Promise<Step> {
    const { name, emptySince } = namespace
    const step = await this.deleteSome(namespace)
    if (step !== 'nothing') {
      if (emptySince !== undefined) await this.namespaces.noteEmpty(name, null)
      namespace.emptySince = undefined
      return step
    }
    const now = this.clock.date()
    if (emptySince === undefined) await this.namespaces.noteEmpty(name, now)
    else if (now.getTime() - emptySince.getTime() > this.config.leaseMs) {
      await this.namespaces.freeName(name)
      this.logger.info('All that was in a removed namespace is deleted: its name is free', { namespace: name })
    }
    return 'wait'
  }

  private async deleteSome({ name, removedAt }: RemovedNamespace): Promise<Step> {
    const hasEnded = await this.instances.endSomeOf(name, WHY)
    // A worker hears of the cancel as long as its token is good; one that does not obey is cut off after a while, and its lease runs out.
    if (hasEnded || this.clock.now() - removedAt.getTime() > 2 * this.config.leaseMs) {
      if ((await this.workerTokens.deleteOfNamespace(name)) > 0) return 'wait'
    }
    if (!hasEnded) return 'wait'
    const runs = firstUpTo(await this.runs.find(name, '', undefined, PAGE), PAGE_ATTEMPTS)
    if (runs.length > 0) {
      await this.runs.forgetQueues(runs)
      await this.removal.removeAll(runs)
      return 'more'
    }
    await this.progress.forget(name)
    const isMore = (await this.jobs.deleteSomeOf(name)) > 0 || (await this.workers.deleteSomeOf(name)) > 0 || (await this.runs.deleteSomeRevisitsOf(name)) > 0
    return isMore ? 'more' : 'nothing'
  }
}
