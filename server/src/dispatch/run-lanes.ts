import { Injectable } from '@nestjs/common'
import { attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { type Assignment, MAX_BATCH, RunReply } from '@jobtrail/shared/protocol/worker'
import { JobsService } from '../jobs/jobs.service.js'
import { Clock } from '../platform/clock.js'
import { groupBy } from '../platform/group-by.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { askWorker } from '../workers/ask-worker.js'
import { type WorkerConnection, WorkerRegistry } from '../workers/worker-registry.js'
import { WorkerTokenWatch } from '../workers/worker-token-watch.js'
import { type Candidate, Claims } from './claims.js'
import { type Message, splitMessages } from './domain/run-messages.js'

/** `refused`: the worker certainly does not run it, and its claim was taken back. No answer means `taken`: a heartbeat, a hello or the lease decides. */
export type Handed = 'taken' | 'refused'

/**
 * Sends claimed attempts to their workers. Nothing waits here: each worker has a bound on the messages and bytes that it has not answered. A worker that reaches it, or is slow
 * to answer, is offered no more slots, so it holds up no other.
 */
@Injectable()
export class RunLanes {
  /** Of tokens; what waits for them is not sent yet. */
  private readonly checks = new Set<Promise<boolean>>()

  constructor(
    private readonly claims: Claims,
    private readonly jobs: JobsService,
    private readonly registry: WorkerRegistry,
    private readonly tokens: WorkerTokenWatch,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
  ) {}

  /** Resolves when all that was handed here is sent. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.checks)
  }

  /** Sends the attempts; what became of each is told later, in the order given. Never rejects, and neither do the answers. */
  async hand(placed: readonly Candidate[]): Promise<Promise<Handed>[]> {
    const now = this.clock.now()
    for (const { worker, key } of placed) worker.hold(key, now)
    const assignments = await this.assignments(placed)
    const answers = new Map<Candidate, Promise<Handed>>()
    const readable = placed.flatMap((candidate, i) => {
      const assignment = assignments[i]
      return assignment === undefined ? [] : [{ candidate, assignment, bytes: Buffer.byteLength(JSON.stringify(assignment)) }]
    })
    for (const [worker, items] of groupBy(readable, ({ candidate }) => candidate.worker)) {
      for (const message of splitMessages(items, MAX_BATCH)) {
        const refused = this.deliver(worker, message)
        for (const { candidate } of message.items)
          answers.set(
            candidate,
            refused.then((list) => (list.has(candidate) ? 'refused' : 'taken')),
          )
      }
    }
    const unreadable = placed.filter((candidate) => !answers.has(candidate))
    const takenBack = unreadable.length === 0 ? Promise.resolve() : this.takeBack(unreadable)
    return placed.map((candidate) => answers.get(candidate) ?? takenBack.then(() => 'refused' as const))
  }

  /** Sends a message and takes back what was refused, which it answers. Never rejects. */
  private async deliver(worker: WorkerConnection, message: Message<Candidate, Assignment>): Promise<Set<Candidate>> {
    const candidates = message.items.map(({ candidate }) => candidate)
    const refused = await this.send(worker, message, candidates)
    if (refused.length > 0) await this.takeBack(refused)
    return new Set(refused)
  }

  private async send(worker: WorkerConnection, { items, bytes }: Message<Candidate, Assignment>, candidates: Candidate[]): Promise<Candidate[]> {
    // It has left meanwhile, or its lane is full, so it certainly did not get them.
    if (!(await this.isTokenValid(worker)) || !worker.socket.connected || worker.isLaneFull) return candidates
    const sent = worker.runSent(bytes)
    try {
      const { results } = await askWorker(worker.socket, 'run', { attempts: items.map(({ assignment }) => assignment) }, RunReply)
      if (worker.runAnswered(sent)) this.registry.capacityChanged()
      const now = this.clock.now()
      for (const { instance } of candidates) this.metrics.dispatchDelay.observe(Math.max(0, now - instance.dueAt.getTime()) / 1_000)
      const refused = candidates.filter((_, i) => results[i] === 'refused')
      worker.refused(refused.length)
      return refused
    } catch (err) {
      worker.runUnanswered(sent)
      this.logger.warn('A worker did not answer to a dispatch', { worker: worker.id, attempts: candidates.map(({ key }) => attemptKeyString(key)), err })
      return []
    }
  }

  private async isTokenValid(worker: WorkerConnection): Promise<boolean> {
    const checked = this.tokens.isValid(worker.socket)
    this.checks.add(checked)
    try {
      return await checked
    } catch (err) {
      this.logger.warn('The token of a worker could not be checked, so it was given nothing', { worker: worker.id, err })
      return false
    } finally {
      this.checks.delete(checked)
    }
  }

  private async takeBack(candidates: readonly Candidate[]): Promise<void> {
    for (const { worker, key } of candidates) worker.letGo(key)
    await this.claims.unclaim(candidates)
  }

  /** Undefined for those whose job cannot be read. */
  private async assignments(candidates: readonly Candidate[]): Promise<(Assignment | undefined)[]> {
    try {
      const revisions = await this.jobs.revisions(candidates.map(({ instance }) => ({ jobId: instance.jobId, revision: instance.revision })))
      return candidates.map((candidate, i) => this.assignment(candidate, revisions[i]))
    } catch (err) {
      this.logger.error('Could not read the jobs of instances', { instances: candidates.map(({ key }) => key.instanceId), err })
      return candidates.map(() => undefined)
    }
  }

  private assignment({ key, instance }: Candidate, job: Awaited<ReturnType<JobsService['revisions']>>[number] | undefined): Assignment | undefined {
    if (job === undefined) {
      this.logger.error('The job of an instance has no such revision', { instance: instance._id, job: instance.jobId, revision: instance.revision })
      return undefined
    }
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
}
