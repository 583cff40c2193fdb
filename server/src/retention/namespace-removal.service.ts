import { Inject, Injectable, type OnModuleInit } from '@nestjs/common'
import { Interval } from '@nestjs/schedule'
import { NamespacesRepository, type RemovedNamespace } from '../auth/namespaces/namespaces.repository.js'
import { WorkerTokensRepository } from '../auth/tokens/worker-tokens.repository.js'
import { CONFIG, type Config } from '../config/config.js'
import { AttemptQueue } from '../engine/attempt-queue.js'
import { InstancesRepository } from '../engine/instances.repository.js'
import { InstancesService } from '../engine/instances.service.js'
import { RevisitsRepository } from '../engine/revisits.repository.js'
import { JobRevisionsRepository } from '../jobs/job-revisions.repository.js'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { Shutdown } from '../platform/shutdown.js'
import { SignalBus } from '../platform/signals.js'
import { WorkersRepository } from '../workers/workers.repository.js'
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
/** Sorts after every ID. */
const LAST_ID = 'g'
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
    private readonly namespaces: NamespacesRepository,
    private readonly workerTokens: WorkerTokensRepository,
    private readonly service: InstancesService,
    private readonly instances: InstancesRepository,
    private readonly revisits: RevisitsRepository,
    private readonly revisions: JobRevisionsRepository,
    private readonly workers: WorkersRepository,
    private readonly progress: RetentionProgressRepository,
    private readonly queue: AttemptQueue,
    private readonly removal: Removal,
    private readonly lock: NamespaceRemovalLock,
    private readonly signals: SignalBus,
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
      await this.namespaces.forget(name)
      this.logger.info('All that was in a removed namespace is deleted: its name is free', { namespace: name })
    }
    return 'wait'
  }

  private async deleteSome({ name, removedAt }: RemovedNamespace): Promise<Step> {
    const hasEnded = await this.service.endSomeOf(name, WHY)
    // A worker hears of the cancel as long as its token is good; one that does not obey is cut off after a while, and its lease runs out.
    if (hasEnded || this.clock.now() - removedAt.getTime() > 2 * this.config.leaseMs) {
      if ((await this.workerTokens.deleteOfNamespace(name)) > 0) {
        this.signals.send('workerTokens', '', {})
        return 'wait'
      }
    }
    if (!hasEnded) return 'wait'
    const runs = firstUpTo(await this.instances.findEnds(name, '', LAST_ID, PAGE), PAGE_ATTEMPTS)
    if (runs.length > 0) {
      await this.forgetQueues(runs.map(({ _id }) => _id))
      await this.removal.removeAll(runs)
      return 'more'
    }
    await this.progress.forget(name)
    for (const each of [this.revisions, this.workers, this.revisits]) if ((await each.deleteSomeOf(name)) > 0) return 'more'
    return 'nothing'
  }

  /** What Redis holds are hints without content, and stale: nothing depends on it. */
  private async forgetQueues(ids: readonly string[]): Promise<void> {
    for (const route of await this.instances.routesOf(ids)) {
      await this.queue.forget(route).catch((err: unknown) => this.logger.debug('A queue of a removed namespace is left in Redis', { route, err }))
    }
  }
}
