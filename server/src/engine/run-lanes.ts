import { Injectable } from '@nestjs/common'
import { attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import type { Assignment } from '@jobtrail/protocol/wire/assignment'
import { MAX_BATCH } from '@jobtrail/protocol/wire/worker'
import { Clock } from '../platform/clock.js'
import { groupBy } from '../platform/group-by.js'
import { mapBounded } from '../platform/map-bounded.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { UnopenableSecretError } from '../platform/sealed-secret.js'
import { UnderWay } from '../platform/under-way.js'
import { type Candidate, Claims } from './claims.js'
import { Leases } from './leases.js'
import { type Message, splitMessages } from './domain/run-messages.js'
import { type RunDefinition, RunDefinitions } from './ports/run-definitions.js'
import type { ConnectedWorker } from './ports/workers.js'

/** What could not be sent for so long is taken back: soon a heartbeat without it would show that the worker never received it, and that has to stay true. */
const SEND_WITHIN_MS = 5_000
const LOSE_AT_A_TIME = 16

/** `refused`: the worker certainly does not run it, and its claim was taken back. No answer means `taken`: a heartbeat, a hello or the lease decides. */
export type Handed = 'taken' | 'refused'

/**
 * Sends claimed attempts to their workers. Nothing waits here: each worker has a bound on the messages and bytes that it has not answered. A worker that reaches it, or is slow
 * to answer, is offered no more slots, so it holds up no other.
 */
@Injectable()
export class RunLanes {
  /** Checks of tokens, for which something waits to be sent, and losses that are being written. */
  private readonly underWay = new UnderWay()

  constructor(
    private readonly claims: Claims,
    private readonly definitions: RunDefinitions,
    private readonly leases: Leases,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
  ) {}

  /** Resolves when all that was handed here is sent, or written down as lost. */
  idle(): Promise<void> {
    return this.underWay.idle()
  }

  /** Sends the attempts; what became of each is told later, in the order given. Never rejects, and neither do the answers. */
  async hand(placed: readonly Candidate[]): Promise<Promise<Handed>[]> {
    const now = this.clock.now()
    for (const { worker, key } of placed) worker.hold(key, now)
    const unopenable = new Map<Candidate, string>()
    const assignments = await this.assignments(placed, unopenable)
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
    // After the others are sent, and not waited for: each costs several writes.
    if (unopenable.size > 0) void this.underWay.track(mapBounded([...unopenable], LOSE_AT_A_TIME, ([candidate, reason]) => this.lose(candidate, reason)))
    const unreadable = placed.filter((candidate) => !answers.has(candidate) && !unopenable.has(candidate))
    const takenBack = unreadable.length === 0 ? Promise.resolve() : this.takeBack(unreadable)
    return placed.map(
      (candidate) => answers.get(candidate) ?? (unopenable.has(candidate) ? Promise.resolve('taken' as const) : takenBack.then(() => 'refused' as const)),
    )
  }

  /** Sends a message and takes back what was refused, which it answers. Never rejects. */
  private async deliver(worker: ConnectedWorker, message: Message<Candidate, Assignment>): Promise<Set<Candidate>> {
    const candidates = message.items.map(({ candidate }) => candidate)
    const refused = await this.send(worker, message, candidates)
    if (refused.length > 0) await this.takeBack(refused)
    return new Set(refused)
  }

  private async send(worker: ConnectedWorker, { items, bytes }: Message<Candidate, Assignment>, candidates: Candidate[]): Promise<Candidate[]> {
    // It has left meanwhile, or its lane is full, so it certainly did not get them.
    if (!(await this.isTrusted(worker)) || !worker.isConnected || worker.isLaneFull || candidates.some(isLate)) return candidates
    try {
      const results = await worker.run(
        items.map(({ assignment }) => assignment),
        bytes,
      )
      const now = this.clock.now()
      for (const { instance } of candidates) this.metrics.dispatchDelay.observe(Math.max(0, now - instance.dueAt.getTime()) / 1_000)
      return candidates.filter((_, i) => results[i] === 'refused')
    } catch (err) {
      this.logger.warn('A worker did not answer to a dispatch', { worker: worker.id, attempts: candidates.map(({ key }) => attemptKeyString(key)), err })
      return []
    }
  }

  private async isTrusted(worker: ConnectedWorker): Promise<boolean> {
    try {
      return await this.underWay.track(worker.isTrusted())
    } catch (err) {
      this.logger.warn('The token of a worker could not be checked, so it was given nothing', { worker: worker.id, err })
      return false
    }
  }

  private async takeBack(candidates: readonly Candidate[]): Promise<void> {
    for (const { worker, key } of candidates) worker.letGo(key)
    await this.claims.unclaim(candidates)
  }

  /** It is lost before it was sent, and says why: it is tried again, by another server too. Should this fail, its lease runs out. */
  private async lose({ worker, key }: Candidate, reason: string): Promise<void> {
    worker.letGo(key)
    try {
      await this.leases.loseUnsent(key, reason)
    } catch (err) {
      this.logger.warn('An attempt that cannot be handed out could not be ended; its lease will run out', { attempt: attemptKeyString(key), err })
    }
  }

  /** Undefined for those whose job cannot be read, or whose secrets cannot be opened: `unopenable` says why. */
  private async assignments(candidates: readonly Candidate[], unopenable: Map<Candidate, string>): Promise<(Assignment | undefined)[]> {
    try {
      const revisions = await this.definitions.find(candidates.map(({ instance }) => ({ jobId: instance.jobId, revision: instance.revision })))
      return candidates.map((candidate, i) => this.tryAssignment(candidate, revisions[i], unopenable))
    } catch (err) {
      this.logger.error('Could not read the jobs of instances', { instances: candidates.map(({ key }) => key.instanceId), err })
      return candidates.map(() => undefined)
    }
  }

  private tryAssignment(candidate: Candidate, job: RunDefinition | undefined, unopenable: Map<Candidate, string>): Assignment | undefined {
    try {
      return this.assignment(candidate, job)
    } catch (err) {
      // Whatever it is, it concerns this attempt alone.
      const { key, instance } = candidate
      const reason = err instanceof UnopenableSecretError ? err.message : 'its job cannot be read'
      this.logger.error('An attempt cannot be handed out', { attempt: attemptKeyString(key), job: instance.jobId, err })
      unopenable.set(candidate, `Not handed out: ${reason}`)
      return undefined
    }
  }

  private assignment({ key, instance, worker }: Candidate, job: RunDefinition | undefined): Assignment | undefined {
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
      // Workers of version 1 know no text; the value may be rounded, as it was for them.
      params: instance.paramsText !== undefined && worker.protocol < 2 ? (JSON.parse(instance.paramsText) as Record<string, unknown>) : instance.params,
      ...(instance.paramsText === undefined ? {} : { paramsText: instance.paramsText }),
      secrets: this.definitions.openSecrets(instance.jobId, job),
      timeoutMs: job.timeoutMs,
      killGraceMs: job.killGraceMs,
      log: job.log,
    }
  }
}

const isLate = ({ claimedAt }: Candidate): boolean => claimedAt !== undefined && performance.now() - claimedAt > SEND_WITHIN_MS
