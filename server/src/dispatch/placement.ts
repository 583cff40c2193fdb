import { Inject, Injectable } from '@nestjs/common'
import type { Job } from 'bullmq'
import { AttemptKey, attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { type Assignment, RunReply } from '@jobtrail/shared/protocol/worker'
import { CONFIG, type Config } from '../config/config.js'
import { type AttemptDocument, attemptId, AttemptsRepository } from '../instances/attempts.repository.js'
import { type InstanceDocument, InstancesRepository } from '../instances/instances.repository.js'
import { JobsService } from '../jobs/jobs.service.js'
import { Batcher } from '../platform/batcher.js'
import { Clock } from '../platform/clock.js'
import { groupBy } from '../platform/group-by.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import type { WorkerConnection } from '../workers/worker-registry.js'
import { askWorker } from '../workers/ask-worker.js'
import { PermitsRepository } from './permits.repository.js'
import { Settlement } from './settlement.js'

/** A BullMQ job taken from a route, and the slot that was reserved for it before. */
export type Fetched = { job: Job<unknown, string>; token: string; worker: WorkerConnection }
type Candidate = Fetched & { key: AttemptKey; instance: InstanceDocument }

/** What becomes of the BullMQ job: it has done its work, or it comes again later. Of a `held` instance there will be another once a permit is free. */
type Outcome = 'done' | 'later' | { held: InstanceDocument }
const LATER_MS = 1_000

/**
 * Places attempts: makes the attempt (its unique key is the fence between servers), moves the instance to RUNNING, gives it to the worker. From the moment the
 * attempt exists its life is in MongoDB: whatever happens to this server, a heartbeat, a `hello` or the end of the lease decides what became of it.
 */
@Injectable()
export class Placement {
  private readonly batches = new Batcher<Fetched, Outcome>({ write: (items) => this.placeBatch(items), maxItems: 500, maxInFlight: 2 })

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly instances: InstancesRepository,
    private readonly attempts: AttemptsRepository,
    private readonly permits: PermitsRepository,
    private readonly jobs: JobsService,
    private readonly settlement: Settlement,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
  ) {}

  /** Places one attempt and ends its BullMQ job. Never rejects. The reserved slot is held or given back in any case. */
  async place(fetched: Fetched): Promise<void> {
    let outcome: Outcome = 'later'
    try {
      outcome = await this.batches.add(fetched)
    } catch (err) {
      fetched.worker.release()
      this.logger.warn('Could not place an attempt; it comes again', { bullJob: fetched.job.id, err })
    }
    try {
      if (outcome === 'later') await fetched.job.moveToDelayed(Date.now() + LATER_MS, fetched.token)
      else await fetched.job.moveToCompleted('', fetched.token, false)
      // Only now: as long as this BullMQ job is there, another for the same attempt is not taken.
      if (typeof outcome === 'object') await this.settlement.useFreePermits(outcome.held)
    } catch (err) {
      // Redis is away or was emptied: the job stalls and comes again, or is gone; the sweep finds an instance that still waits.
      this.logger.debug('Could not end a BullMQ job', { bullJob: fetched.job.id, err })
    }
  }

  idle(): Promise<void> {
    return this.batches.idle()
  }

  private async placeBatch(items: Fetched[]): Promise<Outcome[]> {
    const outcomes = new Map<Fetched, Outcome>()
    const candidates = await this.admit(items, outcomes)
    const placed = await this.claim(candidates)
    await this.hand(placed, outcomes)
    const placedJobs = new Map(placed.map((each) => [each.job, each]))
    for (const item of items) if (!placedJobs.has(item.job)) item.worker.release()
    return items.map((item) => outcomes.get(placedJobs.get(item.job) ?? item) ?? 'done')
  }

  /** Those that still wait for this attempt and may run now. */
  private async admit(items: Fetched[], outcomes: Map<Fetched, Outcome>): Promise<Candidate[]> {
    const keyed = items.flatMap((item) => {
      const key = AttemptKey.safeParse(item.job.data)
      if (!key.success) this.logger.error('Dropped a BullMQ job that is not ours', { bullJob: item.job.id })
      return key.success ? [{ item, key: key.data }] : []
    })
    const found = new Map((await this.instances.findMany(keyed.map(({ key }) => key.instanceId))).map((instance) => [instance._id, instance]))
    const candidates: Candidate[] = []
    const held: InstanceDocument[] = []
    for (const { item, key } of keyed) {
      const instance = found.get(key.instanceId)
      if (instance === undefined || instance.status !== 'WAITING' || instance.attempt !== key.attempt - 1) continue
      if (instance.maxConcurrent > 0 && !(await this.permits.acquire(instance.jobId, instance._id, instance.maxConcurrent, this.clock.date()))) {
        held.push(instance)
        outcomes.set(item, { held: instance })
      } else candidates.push({ ...item, key, instance })
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
  private async hand(placed: Candidate[], outcomes: Map<Fetched, Outcome>): Promise<void> {
    const byWorker = groupBy(placed, ({ worker }) => worker)
    for (const { worker, key } of placed) worker.hold(key)
    await Promise.all(
      [...byWorker].map(async ([worker, candidates]) => {
        const refused = await this.run(worker, candidates)
        if (refused.length === 0) return
        for (const candidate of refused) {
          worker.letGo(candidate.key)
          outcomes.set(candidate, 'later')
        }
        try {
          await this.attempts.deleteUnsent(refused.map(({ key }) => attemptId(key)))
          await this.instances.unclaim(
            refused.map(({ key }) => ({ instanceId: key.instanceId, attempt: key.attempt })),
            this.clock.date(),
          )
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
    // It has left meanwhile, so it certainly did not get them.
    if (!worker.socket.connected) return candidates
    try {
      const { results } = await askWorker(worker.socket, 'run', { attempts }, RunReply)
      const now = this.clock.now()
      for (const { instance } of candidates) this.metrics.dispatchDelay.observe(Math.max(0, now - instance.dueAt.getTime()) / 1_000)
      return candidates.filter((_, i) => results[i] === 'refused')
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
