import { Injectable } from '@nestjs/common'
import type { RetryPolicy } from '@jobtrail/shared/api/jobs'
import type { AttemptKey } from '@jobtrail/shared/domain/attempt-key'
import { type AttemptStatus, type InstanceStatus, instanceStatusAfter, isRetriedByPolicy } from '@jobtrail/shared/domain/statuses'
import type { InstanceDocument, Settlement as InstanceSettlement } from './instance-document.js'
import { InstancesRepository } from './instances.repository.js'
import { InstancesService } from './instances.service.js'
import { Clock } from '../platform/clock.js'
import { groupBy } from '../platform/group-by.js'
import { Logger } from '../platform/logging.js'
import { SignalBus } from '../platform/signals.js'
import { QUEUE_AHEAD_MS } from './attempt-queue.js'
import { backoffMs, MAX_UNSTARTED_LOSSES, unstartedBackoffMs } from './domain/retry.js'
import { Outcomes } from './outcomes.service.js'
import { PermitsRepository } from './permits.repository.js'
import { RunDefinitions } from './ports/run-definitions.js'

/** An attempt that has ended, and what its instance takes from it. `isLeftRunning`: something of it still runs. */
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

/** Decides what follows for an instance when its attempt has ended: final, or another attempt by the job's retry policy. Idempotent. */
@Injectable()
export class Settlement {
  private readonly following = new Set<Promise<void>>()

  constructor(
    private readonly repository: InstancesRepository,
    private readonly instances: InstancesService,
    private readonly definitions: RunDefinitions,
    private readonly permits: PermitsRepository,
    private readonly outcomes: Outcomes,
    private readonly signals: SignalBus,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async settle(ended: Ended[]): Promise<void> {
    const retriable = ended.filter(({ status }) => isRetriedByPolicy(status))
    const documents = new Map(
      (retriable.length === 0 ? [] : await this.repository.findMany(retriable.map(({ key }) => key.instanceId))).map((each) => [each._id, each]),
    )
    const settlements = await Promise.all(ended.map((each) => this.decide(each, documents.get(each.key.instanceId))))
    // A later attempt's start is only the instance's when the first never started.
    const late = ended.flatMap(({ key, startedAt }) =>
      key.attempt > 1 && startedAt !== null ? [{ instanceId: key.instanceId, attempt: key.attempt, startedAt }] : [],
    )
    await this.repository.markStarted(late)
    await this.repository.settle(settlements)
    this.follow(settlements, documents)
    this.outcomes.settled(settlements.flatMap(({ kind, instanceId }) => (kind === 'final' ? [instanceId] : [])))
    for (const { key } of ended) this.signals.send('log', key.instanceId, { instanceId: key.instanceId })
  }

  /** Resolves when nothing is under way that follows from settled instances. */
  async idle(): Promise<void> {
    await Promise.all(this.following)
  }

  /** Queues those that may go on now that so many permits of their jobs are free. */
  async permitsReleased(freed: readonly { jobId: string }[]): Promise<void> {
    for (const [jobId, ended] of groupBy(freed, ({ jobId: id }) => id)) {
      const held = await this.repository.findHeld(jobId, ended.length)
      if (held.length > 0) await this.instances.enqueue(held)
    }
  }

  /** The same for one that is held since a moment ago: whoever gave a permit back meanwhile may have looked for held ones too early. */
  async useFreePermits({ jobId, maxConcurrent }: Pick<InstanceDocument, 'jobId' | 'maxConcurrent'>, which?: { route: string }): Promise<void> {
    const free = maxConcurrent - (await this.permits.countTaken(jobId))
    const held = free > 0 ? await this.repository.findHeld(jobId, free, which) : []
    if (held.length > 0) await this.instances.enqueue(held)
  }

  private async decide(ended: Ended, instance: InstanceDocument | undefined): Promise<InstanceSettlement> {
    const { key, startedAt, finishedAt, error, result, resultText } = ended
    const common = { instanceId: key.instanceId, attempt: key.attempt }
    const final = (status: InstanceStatus): InstanceSettlement => ({ ...common, kind: 'final', status, startedAt, finishedAt, error, result, resultText })
    if (instance === undefined) return final(instanceStatusAfter(ended.status))
    if (instance.cancelRequestedAt !== null) return final('CANCELLED')
    const now = this.clock.now()
    if (ended.status === 'LOST' && startedAt === null && ended.mayHaveStarted !== true && instance.unstartedLosses < MAX_UNSTARTED_LOSSES) {
      const unstartedLosses = instance.unstartedLosses + 1
      return { ...common, kind: 'retry', ...dueIn(unstartedBackoffMs(unstartedLosses), now), retriesUsed: instance.retriesUsed, unstartedLosses, error }
    }
    // Beside processes that could not be ended none may run; what no worker could start needs none.
    if (ended.isLeftRunning || ended.isFinal === true) return final(instanceStatusAfter(ended.status))
    const policy = await this.retryPolicy(instance)
    if (policy === undefined) return final(instanceStatusAfter(ended.status))
    if (instance.retriesUsed >= policy.maxRetries) return final(instanceStatusAfter(ended.status))
    const retriesUsed = instance.retriesUsed + 1
    return { ...common, kind: 'retry', ...dueIn(backoffMs(policy, retriesUsed), now), retriesUsed, unstartedLosses: instance.unstartedLosses, error }
  }

  /** Undefined where the revision is gone: no retry could be handed out either, and the ends beside it must not wait for it. */
  private async retryPolicy({ _id, jobId, revision }: InstanceDocument): Promise<RetryPolicy | undefined> {
    const [definition] = await this.definitions.find([{ jobId, revision }])
    if (definition === undefined)
      this.logger.error('The job of an instance has no such revision, so it is not retried', { instance: _id, job: jobId, revision })
    return definition?.retry
  }

  /** Beside the answer to the worker: a Redis that hangs must not hold up the ends of other runs. */
  private follow(settlements: readonly InstanceSettlement[], documents: ReadonlyMap<string, InstanceDocument>): void {
    if (this.following.size >= MAX_FOLLOWING) {
      this.logger.warn('Too much is waiting for Redis: the sweep will queue retries and release permits', { settlements: settlements.length })
      return
    }
    const work = Promise.all([this.queueRetries(settlements, documents), this.releasePermits(settlements, documents)]).then(() => {
      this.following.delete(work)
    })
    this.following.add(work)
  }

  /** Never rejects. */
  private async queueRetries(settlements: readonly InstanceSettlement[], documents: ReadonlyMap<string, InstanceDocument>): Promise<void> {
    const retries = settlements.flatMap((each) => {
      const instance = documents.get(each.instanceId)
      return each.kind === 'retry' && each.queued && instance !== undefined ? [{ ...instance, attempt: each.attempt, dueAt: each.dueAt }] : []
    })
    if (retries.length > 0) await this.instances.enqueue(retries)
  }

  /** Of what has ended, and of what waits for another attempt: another run may go on meanwhile. Never rejects. */
  private async releasePermits(settlements: readonly InstanceSettlement[], documents: ReadonlyMap<string, InstanceDocument>): Promise<void> {
    const attempts = new Map(settlements.map(({ instanceId, attempt }) => [instanceId, attempt]))
    const mayHold = settlements.filter(({ kind, instanceId }) => kind === 'final' || (documents.get(instanceId)?.maxConcurrent ?? 0) > 0)
    try {
      const limited = await this.permits.heldBy(mayHold.map(({ instanceId }) => instanceId))
      if (limited.length === 0) return
      await this.permits.release(limited.map(({ _id }) => ({ instanceId: _id, attempt: attempts.get(_id) ?? 0 })))
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
