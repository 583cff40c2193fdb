import { Injectable } from '@nestjs/common'
import type { AttemptKey } from '@jobtrail/shared/domain/attempt-key'
import { type AttemptStatus, type InstanceStatus, instanceStatusAfter, isRetriedByPolicy } from '@jobtrail/shared/domain/statuses'
import type { InstanceDocument, Settlement as InstanceSettlement } from '../instances/instance-document.js'
import { InstancesRepository } from '../instances/instances.repository.js'
import { InstancesService } from '../instances/instances.service.js'
import { JobsService } from '../jobs/jobs.service.js'
import { Clock } from '../platform/clock.js'
import { groupBy } from '../platform/group-by.js'
import { Logger } from '../platform/logging.js'
import { SignalBus } from '../platform/signals.js'
import { QUEUE_AHEAD_MS } from './attempt-queue.js'
import { backoffMs, MAX_UNSTARTED_LOSSES, unstartedBackoffMs } from './domain/retry.js'
import { PermitsRepository } from './permits.repository.js'

/** An attempt that has ended, and what its instance takes from it. */
export type Ended = {
  key: AttemptKey
  status: AttemptStatus
  startedAt: Date | null
  finishedAt: Date
  error: string | null
  result: unknown
  resultText?: string | undefined
}

/** Decides what follows for an instance when its attempt has ended: final, or another attempt by the job's retry policy. Idempotent. */
@Injectable()
export class Settlement {
  constructor(
    private readonly repository: InstancesRepository,
    private readonly instances: InstancesService,
    private readonly jobs: JobsService,
    private readonly permits: PermitsRepository,
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
    await this.followUp(settlements, documents)
    for (const { key } of ended) this.signals.send('log', key.instanceId, { instanceId: key.instanceId })
  }

  /** Lets instances go on that wait for one of the same job to end. */
  async releasePermits(instances: readonly { _id: string; jobId: string }[]): Promise<void> {
    await this.permits.release(instances.map(({ _id }) => _id))
    for (const [jobId, ended] of groupBy(instances, ({ jobId: id }) => id)) {
      const held = await this.repository.findHeld(jobId, ended.length)
      if (held.length > 0) await this.instances.enqueue(held)
    }
  }

  /** The same for one that is held since a moment ago: whoever gave a permit back meanwhile may have looked for held ones too early. */
  async useFreePermits({ jobId, maxConcurrent }: Pick<InstanceDocument, 'jobId' | 'maxConcurrent'>): Promise<void> {
    const free = maxConcurrent - (await this.permits.countTaken(jobId))
    const held = free > 0 ? await this.repository.findHeld(jobId, free) : []
    if (held.length > 0) await this.instances.enqueue(held)
  }

  private async decide(ended: Ended, instance: InstanceDocument | undefined): Promise<InstanceSettlement> {
    const { key, startedAt, finishedAt, error, result, resultText } = ended
    const common = { instanceId: key.instanceId, attempt: key.attempt }
    const final = (status: InstanceStatus): InstanceSettlement => ({ ...common, kind: 'final', status, startedAt, finishedAt, error, result, resultText })
    if (instance === undefined) return final(instanceStatusAfter(ended.status))
    if (instance.cancelRequestedAt !== null) return final('CANCELLED')
    const now = this.clock.now()
    if (ended.status === 'LOST' && startedAt === null && instance.unstartedLosses < MAX_UNSTARTED_LOSSES) {
      const unstartedLosses = instance.unstartedLosses + 1
      return { ...common, kind: 'retry', ...dueIn(unstartedBackoffMs(unstartedLosses), now), retriesUsed: instance.retriesUsed, unstartedLosses, error }
    }
    const policy = (await this.jobs.revision(instance.jobId, instance.revision)).retry
    if (instance.retriesUsed >= policy.maxRetries) return final(instanceStatusAfter(ended.status))
    const retriesUsed = instance.retriesUsed + 1
    return { ...common, kind: 'retry', ...dueIn(backoffMs(policy, retriesUsed), now), retriesUsed, unstartedLosses: instance.unstartedLosses, error }
  }

  private async followUp(settlements: InstanceSettlement[], documents: Map<string, InstanceDocument>): Promise<void> {
    const retries = settlements.flatMap((each) => {
      const instance = documents.get(each.instanceId)
      return each.kind === 'retry' && each.queued && instance !== undefined ? [{ ...instance, attempt: each.attempt, dueAt: each.dueAt }] : []
    })
    if (retries.length > 0) await this.instances.enqueue(retries)
    try {
      const finals = settlements.filter(({ kind }) => kind === 'final').map(({ instanceId }) => instanceId)
      const limited = await this.permits.heldBy(finals)
      if (limited.length > 0) await this.releasePermits(limited)
    } catch (err) {
      this.logger.warn('Permits are not released yet; the sweep will do it', { err })
    }
  }
}

/** An attempt due in `waitMs`: given to BullMQ now, or by the sweep when it comes near. */
function dueIn(waitMs: number, now: number): { dueAt: Date; queued: boolean } {
  return { dueAt: new Date(now + waitMs), queued: waitMs <= QUEUE_AHEAD_MS }
}
