import { Injectable } from '@nestjs/common'
import type { RetryPolicy } from '@jobtrail/shared/api/jobs'
import type { AttemptKey } from '@jobtrail/shared/domain/attempt-key'
import { type AttemptStatus, type InstanceStatus, instanceStatusAfter, isRetriedByPolicy } from '@jobtrail/shared/domain/statuses'
import type { InstanceDocument, Settlement as TaskSettlement } from './instance-document.js'
import { InstancesService } from './instances.service.js'
import { Clock } from '../platform/clock.js'
import { groupBy } from '../platform/group-by.js'
import { Logger } from '../platform/logging.js'
import { SignalBus } from '../platform/signals.js'
import { UnderWay } from '../platform/under-way.js'
import { QUEUE_AHEAD_MS } from './attempt-queue.js'
import { backoffMs, MAX_UNSTARTED_LOSSES, unstartedBackoffMs } from './domain/retry.js'
import { taskKeyString } from './domain/task-key.js'
import { PermitsRepository } from './permits.repository.js'
import { RunDefinitions } from './ports/run-definitions.js'
import { TasksRepository } from './tasks.repository.js'

/** An attempt that has ended, and what its task takes from it. `isLeftRunning`: something of it still runs. */
export type Ended = {
  key: AttemptKey
  status: AttemptStatus
  startedAt: Date | null
  mayHaveStarted?: boolean | undefined
  finishedAt: Date
  error: string | null
  result: unknown
  resultText?: string | undefined
  isLeftRunning: boolean
  /** No further attempt is to be made. */
  isFinal?: boolean | undefined
}

/** Batches of settlements whose retries and permits are seen to at a time. */
const MAX_FOLLOWING = 200

/** Decides what follows for a task when an attempt at it has ended: final, or another attempt by the job's retry policy. Idempotent. */
@Injectable()
export class Settlement {
  private readonly following = new UnderWay()

  constructor(
    private readonly tasks: TasksRepository,
    private readonly instances: InstancesService,
    private readonly definitions: RunDefinitions,
    private readonly permits: PermitsRepository,
    private readonly signals: SignalBus,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async settle(ended: Ended[]): Promise<void> {
    const retriable = ended.filter(({ status }) => isRetriedByPolicy(status))
    const documents = retriable.length === 0 ? new Map<string, InstanceDocument>() : await this.tasks.find(retriable.map(({ key }) => key))
    const settlements = await Promise.all(ended.map((each) => this.decide(each, documents.get(taskKeyString(each.key)))))
    // A later attempt's start is only the task's when the first never started.
    const late = ended.flatMap(({ key, startedAt }) => (key.attempt > 1 && startedAt !== null ? [{ key, startedAt }] : []))
    await this.tasks.markStarted(late)
    await this.tasks.settle(settlements)
    this.follow(settlements, documents)
    for (const { key } of ended) this.signals.send('log', key.instanceId, { instanceId: key.instanceId })
  }

  /** Resolves when nothing is under way that follows from settled tasks. */
  idle(): Promise<void> {
    return this.following.idle()
  }

  /** Queues those that may go on now that so many permits of their jobs are free. */
  async permitsReleased(freed: readonly { jobId: string }[]): Promise<void> {
    for (const [jobId, ended] of groupBy(freed, ({ jobId: id }) => id)) {
      const held = await this.tasks.findHeld(jobId, ended.length)
      if (held.length > 0) await this.instances.enqueue(held)
    }
  }

  /** The same for one that is held since a moment ago: whoever gave a permit back meanwhile may have looked for held ones too early. */
  async useFreePermits({ jobId, maxConcurrent }: Pick<InstanceDocument, 'jobId' | 'maxConcurrent'>, which?: { route: string }): Promise<void> {
    const free = maxConcurrent - (await this.permits.countTaken(jobId))
    const held = free > 0 ? await this.tasks.findHeld(jobId, free, which) : []
    if (held.length > 0) await this.instances.enqueue(held)
  }

  private async decide(ended: Ended, instance: InstanceDocument | undefined): Promise<TaskSettlement> {
    const { key, startedAt, finishedAt, error, result, resultText } = ended
    const final = (status: InstanceStatus): TaskSettlement => ({ key, kind: 'final', status, startedAt, finishedAt, error, result, resultText })
    if (instance === undefined) return final(instanceStatusAfter(ended.status))
    if (instance.cancelRequestedAt !== null) return final('CANCELLED')
    const now = this.clock.now()
    if (ended.status === 'LOST' && startedAt === null && ended.mayHaveStarted !== true && instance.unstartedLosses < MAX_UNSTARTED_LOSSES) {
      const unstartedLosses = instance.unstartedLosses + 1
      return { key, kind: 'retry', ...dueIn(unstartedBackoffMs(unstartedLosses), now), retriesUsed: instance.retriesUsed, unstartedLosses, error }
    }
    // Beside processes that could not be ended none may run; what no worker could start needs none.
    if (ended.isLeftRunning || ended.isFinal === true) return final(instanceStatusAfter(ended.status))
    const policy = await this.retryPolicy(instance)
    if (policy === undefined) return final(instanceStatusAfter(ended.status))
    if (instance.retriesUsed >= policy.maxRetries) return final(instanceStatusAfter(ended.status))
    const retriesUsed = instance.retriesUsed + 1
    return { key, kind: 'retry', ...dueIn(backoffMs(policy, retriesUsed), now), retriesUsed, unstartedLosses: instance.unstartedLosses, error }
  }

  /** Undefined where the revision is gone: no retry could be handed out either, and the ends beside it must not wait for it. */
  private async retryPolicy({ _id, jobId, revision }: InstanceDocument): Promise<RetryPolicy | undefined> {
    const [definition] = await this.definitions.find([{ jobId, revision }])
    if (definition === undefined)
      this.logger.error('The job of an instance has no such revision, so it is not retried', { instance: _id, job: jobId, revision })
    return definition?.retry
  }

  /** Beside the answer to the worker: a Redis that hangs must not hold up the ends of other runs. */
  private follow(settlements: readonly TaskSettlement[], documents: ReadonlyMap<string, InstanceDocument>): void {
    if (this.following.size >= MAX_FOLLOWING) {
      this.logger.warn('Too much is waiting for Redis: the sweep will queue retries and release permits', { settlements: settlements.length })
      return
    }
    void this.following.track(Promise.all([this.queueRetries(settlements, documents), this.releasePermits(settlements, documents)]))
  }

  /** Never rejects. */
  private async queueRetries(settlements: readonly TaskSettlement[], documents: ReadonlyMap<string, InstanceDocument>): Promise<void> {
    const retries = settlements.flatMap((each) => {
      const instance = documents.get(taskKeyString(each.key))
      return each.kind === 'retry' && each.queued && instance !== undefined ? [{ ...instance, attempt: each.key.attempt, dueAt: each.dueAt }] : []
    })
    if (retries.length > 0) await this.instances.enqueue(retries)
  }

  /** Of what has ended, and of what waits for another attempt: another run may go on meanwhile. Never rejects. */
  private async releasePermits(settlements: readonly TaskSettlement[], documents: ReadonlyMap<string, InstanceDocument>): Promise<void> {
    const mayHold = settlements.filter(({ kind, key }) => kind === 'final' || (documents.get(taskKeyString(key))?.maxConcurrent ?? 0) > 0).map(({ key }) => key)
    try {
      const limited = await this.permits.heldBy(mayHold)
      if (limited.length === 0) return
      await this.permits.release(limited.map(({ key }) => key))
      await this.permitsReleased(limited)
    } catch (err) {
      this.logger.warn('Permits are not released yet; the sweep will do it', { err })
    }
  }
}

/** An attempt due in `waitMs`: given to BullMQ now, or by the sweep when it comes near. */
function dueIn(waitMs: number, now: number): { dueAt: Date; queued: boolean } {
  return { dueAt: new Date(now + waitMs), queued: waitMs <= QUEUE_AHEAD_MS }
}
