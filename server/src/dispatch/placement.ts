import { Inject, Injectable } from '@nestjs/common'
import type { Job } from 'bullmq'
import { type AttemptKey, attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { type Assignment, RunReply } from '@jobtrail/shared/protocol/worker'
import { CONFIG, type Config } from '../config/config.js'
import { type AttemptDocument, attemptId, AttemptsRepository } from '../instances/attempts.repository.js'
import type { InstanceDocument } from '../instances/instance-document.js'
import { InstancesRepository } from '../instances/instances.repository.js'
import { JobsService } from '../jobs/jobs.service.js'
import { Batcher } from '../platform/batcher.js'
import { Clock } from '../platform/clock.js'
import { groupBy } from '../platform/group-by.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { type WorkerConnection, WorkerRegistry } from '../workers/worker-registry.js'
import { WorkerTokenWatch } from '../workers/worker-token-watch.js'
import { askWorker } from '../workers/ask-worker.js'
import { AttemptQueue } from './attempt-queue.js'
import { PermitsRepository } from './permits.repository.js'
import { Settlement } from './settlement.js'

/** An attempt to place, and the slot that was reserved for it. */
type Reserved = { key: AttemptKey; worker: WorkerConnection }
/** A BullMQ job taken from a route. `rest`: those of its attempts for which no slot was free. */
export type Fetched = { route: string; job: Job<unknown, string>; token: string; placements: readonly Reserved[]; rest: readonly AttemptKey[] }
type Candidate = Reserved & { instance: InstanceDocument }

/** Placed, or nothing is left to place; or it has to come again later. Of a `held` instance there will be another BullMQ job once a permit is free. */
type Outcome = 'done' | 'later' | { held: InstanceDocument }
const LATER_MS = 1_000

/**
 * Places attempts: makes the attempt (its unique key is the fence between servers), moves the instance to RUNNING, gives it to the worker. From the moment the
 * attempt exists its life is in MongoDB: whatever happens to this server, a heartbeat, a `hello` or the end of the lease decides what became of it.
 */
@Injectable()
export class Placement {
  private readonly batches = new Batcher<Reserved, Outcome>({ write: (items) => this.placeBatch(items), maxItems: 500, maxInFlight: 2 })

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly instances: InstancesRepository,
    private readonly attempts: AttemptsRepository,
    private readonly permits: PermitsRepository,
    private readonly jobs: JobsService,
    private readonly settlement: Settlement,
    private readonly queue: AttemptQueue,
    private readonly registry: WorkerRegistry,
    private readonly tokens: WorkerTokenWatch,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
  ) {}

  /** Places the attempts of a BullMQ job and ends it, or gives it back with those that are left. Never rejects. Reserved slots are held or given back in any case. */
  async place({ route, job, token, placements, rest }: Fetched): Promise<void> {
    const outcomes = await Promise.all(placements.map((each) => this.placeOne(each)))
    const later = placements.filter((_, i) => outcomes[i] === 'later').map(({ key }) => key)
    try {
      // What only found no slot need not wait for the others.
      if (later.length > 0 && rest.length > 0) await this.queue.addLater(route, job, later, LATER_MS)
      if (rest.length > 0) await this.queue.putBack(route, job, token, rest)
      else if (later.length > 0) await this.queue.postpone(job, token, later, LATER_MS)
      else await job.moveToCompleted('', token, false)
      // Only now: as long as this BullMQ job is there, another of the same name is not taken.
      const held = new Map(outcomes.flatMap((outcome) => (typeof outcome === 'object' ? [[outcome.held.jobId, outcome.held]] : [])))
      for (const instance of held.values()) await this.settlement.useFreePermits(instance)
    } catch (err) {
      // Redis is away or was emptied: the job stalls and comes again, or is gone; the sweep finds an instance that still waits.
      this.logger.debug('Could not end a BullMQ job', { bullJob: job.id, err })
    }
  }

  private async placeOne(reserved: Reserved): Promise<Outcome> {
    try {
      return await this.batches.add(reserved)
    } catch (err) {
      this.giveBack([reserved])
      this.logger.warn('Could not place an attempt; it comes again', { attempt: attemptKeyString(reserved.key), err })
      return 'later'
    }
  }

  idle(): Promise<void> {
    return this.batches.idle()
  }

  private async placeBatch(items: Reserved[]): Promise<Outcome[]> {
    const outcomes = new Map<AttemptKey, Outcome>()
    const candidates = await this.admit(items, outcomes)
    const placed = await this.claim(candidates)
    await this.hand(placed, outcomes)
    const isPlaced = new Set(placed.map(({ key }) => key))
    this.giveBack(items.filter(({ key }) => !isPlaced.has(key)))
    return items.map(({ key }) => outcomes.get(key) ?? 'done')
  }

  /** Slots of what is not placed: stale copies, of which there may be thousands, must not keep them from what waits on another route. */
  private giveBack(unplaced: readonly Reserved[]): void {
    for (const { worker } of unplaced) worker.release()
    if (unplaced.length > 0) this.registry.slotsReturned()
  }

  /** Those that still wait for this attempt and may run now. */
  private async admit(items: Reserved[], outcomes: Map<AttemptKey, Outcome>): Promise<Candidate[]> {
    const found = new Map((await this.instances.findMany(items.map(({ key }) => key.instanceId))).map((instance) => [instance._id, instance]))
    const candidates: Candidate[] = []
    const held: InstanceDocument[] = []
    for (const item of items) {
      const { key } = item
      const instance = found.get(key.instanceId)
      if (instance === undefined || instance.status !== 'WAITING' || instance.attempt !== key.attempt - 1) continue
      if (instance.maxConcurrent > 0 && !(await this.permits.acquire(instance.jobId, instance._id, instance.maxConcurrent, this.clock.date()))) {
        held.push(instance)
        outcomes.set(key, { held: instance })
      } else candidates.push({ ...item, instance })
    }
    if (held.length > 0)
      await this.instances.hold(
        held.map(({ _id }) => _id),
        this.clock.date(),
      )
    return candidates
  }

  /** Those whose attempt this server has made, with their instances RUNNING. */
  private async claim(candidates: Candidate[]): Promise<Candidate[]> {
    if (candidates.length === 0) return []
    const now = this.clock.now()
    const duplicates = await this.attempts.insertMany(candidates.map((candidate) => this.newAttempt(candidate, now)))
    const made = candidates.filter((_, i) => !duplicates.has(i))
    const claims = made.map(({ key }) => ({ instanceId: key.instanceId, attempt: key.attempt }))
    if ((await this.instances.claim(claims)) === claims.length) return made
    // Some were cancelled meanwhile: their attempts were never given to anyone.
    const now2 = new Map((await this.instances.findMany(claims.map(({ instanceId }) => instanceId))).map((instance) => [instance._id, instance]))
    const isClaimed = ({ key }: Candidate): boolean => now2.get(key.instanceId)?.status === 'RUNNING' && now2.get(key.instanceId)?.attempt === key.attempt
    await this.attempts.deleteUnsent(made.filter((each) => !isClaimed(each)).map(({ key }) => attemptId(key)))
    return made.filter(isClaimed)
  }

  private newAttempt({ key, worker, instance }: Candidate, now: number): AttemptDocument {
    return {
      _id: attemptId(key),
      namespace: instance.namespace,
      workerId: worker.id,
      workerName: worker.name,
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

  /** Gives attempts to their workers, one message a worker. */
  private async hand(placed: Candidate[], outcomes: Map<AttemptKey, Outcome>): Promise<void> {
    const byWorker = groupBy(placed, ({ worker }) => worker)
    for (const { worker, key } of placed) worker.hold(key)
    await Promise.all(
      [...byWorker].map(async ([worker, candidates]) => {
        const refused = await this.run(worker, candidates)
        if (refused.length === 0) return
        for (const candidate of refused) {
          worker.letGo(candidate.key)
          outcomes.set(candidate.key, 'later')
        }
        try {
          // In this order: between the two another server, which saw it WAITING before, could else make the attempt anew and take this RUNNING for its own.
          await this.instances.unclaim(
            refused.map(({ key }) => ({ instanceId: key.instanceId, attempt: key.attempt })),
            this.clock.date(),
          )
          await this.attempts.deleteUnsent(refused.map(({ key }) => attemptId(key)))
        } catch (err) {
          this.logger.warn('Could not take refused attempts back; their leases will run out', {
            attempts: refused.map(({ key }) => attemptKeyString(key)),
            err,
          })
        }
      }),
    )
  }

  /** The candidates that the worker did not get or refused, so that the same attempt may be placed again. No answer means neither: then heartbeat, hello or the lease decide. */
  private async run(worker: WorkerConnection, candidates: Candidate[]): Promise<Candidate[]> {
    let attempts: Assignment[]
    try {
      const revisions = await this.jobs.revisions(candidates.map(({ instance }) => ({ jobId: instance.jobId, revision: instance.revision })))
      attempts = candidates.map((candidate, i) => assignment(candidate, revisions[i]))
    } catch (err) {
      this.logger.error('Could not read the job of an instance', { instances: candidates.map(({ key }) => key.instanceId), err })
      return candidates
    }
    try {
      if (!(await this.tokens.isValid(worker.socket))) return candidates
    } catch (err) {
      this.logger.warn('The token of a worker could not be checked, so it was given nothing', { worker: worker.id, err })
      return candidates
    }
    // It has left meanwhile, so it certainly did not get them.
    if (!worker.socket.connected) return candidates
    try {
      const { results } = await askWorker(worker.socket, 'run', { attempts }, RunReply)
      const now = this.clock.now()
      for (const { instance } of candidates) this.metrics.dispatchDelay.observe(Math.max(0, now - instance.dueAt.getTime()) / 1_000)
      const refused = candidates.filter((_, i) => results[i] === 'refused')
      worker.refused(refused.length)
      return refused
    } catch (err) {
      this.logger.warn('A worker did not answer to a dispatch', { worker: worker.id, attempts: candidates.map(({ key }) => attemptKeyString(key)), err })
      return []
    }
  }
}

function assignment({ key, instance }: Candidate, job: Awaited<ReturnType<JobsService['revisions']>>[number] | undefined): Assignment {
  if (job === undefined) throw new Error(`Job ${instance.jobId} has no revision ${instance.revision}`)
  return {
    ...key,
    namespace: instance.namespace,
    jobId: instance.jobId,
    jobName: instance.jobName,
    revision: instance.revision,
    scheduledFor: instance.scheduledFor?.toISOString() ?? null,
    processor: job.processor,
    params: instance.params,
    secrets: job.secrets,
    timeoutMs: job.timeoutMs,
    killGraceMs: job.killGraceMs,
    log: job.log,
  }
}
