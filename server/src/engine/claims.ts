import { Inject, Injectable } from '@nestjs/common'
import { type AttemptKey, attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { CONFIG, type Config } from '../config/config.js'
import { type AttemptDocument, attemptId } from './attempt-document.js'
import { AttemptsRepository } from './attempts.repository.js'
import type { InstanceDocument } from './instance-document.js'
import { InstancesRepository } from './instances.repository.js'
import { Clock } from '../platform/clock.js'
import { isItemError } from '../platform/item-error.js'
import { Logger } from '../platform/logging.js'
import { OutcomeHints } from './outcome-hints.js'
import { PermitsRepository } from './permits.repository.js'
import type { ConnectedWorker } from './ports/workers.js'

/** An attempt to place, and the slot that was reserved for it. */
export type Reserved = { key: AttemptKey; worker: ConnectedWorker }
/** The same, with the instance as it was read a moment ago. `claimedAt`: when its attempt was made, monotonic. */
export type Candidate = Reserved & { instance: InstanceDocument; claimedAt?: number }

/** Makes attempts and moves their instances to RUNNING. The attempt's unique key is the fence between servers. */
@Injectable()
export class Claims {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly instances: InstancesRepository,
    private readonly attempts: AttemptsRepository,
    private readonly permits: PermitsRepository,
    private readonly hints: OutcomeHints,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** The candidates whose attempt this server has made, with their instances RUNNING. After an error that one of them causes it may be called again with the others. */
  async claim(candidates: readonly Candidate[]): Promise<Candidate[]> {
    if (candidates.length === 0) return []
    const made = await this.makeAttempts(candidates)
    const claims = made.map(({ key }) => key)
    if ((await this.claimInstances(claims)) === claims.length) return made
    // Some were cancelled meanwhile: their attempts were never given to anyone.
    const latest = new Map((await this.instances.findMany(claims.map(({ instanceId }) => instanceId))).map((instance) => [instance._id, instance]))
    const isClaimed = ({ key }: Candidate): boolean => latest.get(key.instanceId)?.status === 'RUNNING' && latest.get(key.instanceId)?.attempt === key.attempt
    await this.attempts.deleteUnsent(made.filter((each) => !isClaimed(each)).map(({ key }) => attemptId(key)))
    return made.filter(isClaimed)
  }

  /** Makes the attempts alone; answers those that another server had not made already. */
  async makeAttempts(candidates: readonly Candidate[]): Promise<Candidate[]> {
    const now = this.clock.now()
    const claimedAt = performance.now()
    for (const candidate of candidates) candidate.claimedAt = claimedAt
    const duplicates = await this.attempts.insertMany(candidates.map((candidate) => this.newAttempt(candidate, now)))
    this.hints.note(candidates.map(({ instance }) => instance))
    return candidates.filter((_, i) => !duplicates.has(i))
  }

  /** Takes claims back whose attempts no worker was given, so that the same attempts may be placed again. */
  async unclaim(candidates: readonly Candidate[]): Promise<void> {
    const claims = candidates.map(({ key }) => key)
    try {
      // Permits first: once it WAITS again, it may get one for the same attempt.
      await this.permits.release(claims.filter((_, i) => (candidates[i]?.instance.maxConcurrent ?? 0) > 0))
      await this.undo(claims)
    } catch (err) {
      this.logger.warn('Could not take refused attempts back; their leases will run out', {
        attempts: candidates.map(({ key }) => attemptKeyString(key)),
        err,
      })
    }
  }

  private async claimInstances(claims: AttemptKey[]): Promise<number> {
    try {
      return await this.instances.claim(claims)
    } catch (error) {
      // Attempts that are left would keep the others from being made: their instances would wait until the leases ran out.
      if (isItemError(error)) await this.undo(claims)
      throw error
    }
  }

  private async undo(claims: AttemptKey[]): Promise<void> {
    // In this order: between the two another server, which saw it WAITING before, could else make the attempt anew and take this RUNNING for its own.
    await this.instances.unclaim(claims, this.clock.date())
    await this.attempts.deleteUnsent(claims.map(attemptId))
  }

  private newAttempt({ key, worker, instance }: Candidate, now: number): AttemptDocument {
    return {
      _id: attemptId(key),
      namespace: instance.namespace,
      workerId: worker.id,
      workerName: worker.name,
      incarnation: worker.incarnation,
      status: 'DISPATCHED',
      dispatchedAt: new Date(now),
      startedAt: null,
      finishedAt: null,
      leaseExpiresAt: new Date(now + this.config.leaseMs),
      cancelRequestedAt: null,
      exitCode: null,
      signal: null,
      error: null,
      result: null,
      progress: null,
      logTotals: null,
    }
  }
}
