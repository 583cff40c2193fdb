import { Inject, Injectable } from '@nestjs/common'
import { type AttemptKey, attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { isFinalInstance } from '@jobtrail/shared/domain/statuses'
import { CONFIG, type Config } from '../config/config.js'
import { announcedTotals, type AttemptDocument, attemptId, attemptKeyOf } from './attempt-document.js'
import { AttemptsRepository } from './attempts.repository.js'
import { wasClaimed } from './instance-document.js'
import { InstancesRepository } from './instances.repository.js'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { eachAlone } from '../platform/map-bounded.js'
import { Metrics } from '../platform/metrics.js'
import { AttemptLogs, type LogOwner } from './ports/attempt-logs.js'
import { Settlement } from './settlement.js'

/** An attempt given to a worker this recently may still be on its way there: its absence from a heartbeat means nothing. */
const ON_ITS_WAY_MS = 15_000
const LOSE_AT_A_TIME = 32

/** The process of a worker that says what it holds. `mayHave`: whether it was sent this attempt over the connection by which it says so, and has not refused it. */
export type Holder = { id: string; incarnation: string; mayHave(key: AttemptKey): boolean }
type Held = {
  isConnect: boolean
  isWhole: boolean
  receivedAt: number
  spooled?: readonly AttemptKey[] | undefined
  givenUp?: readonly AttemptKey[] | undefined
}
/** `isSpooled`: there is output of it. `mayHaveStarted`: nobody can know that it did not start. */
type Loss = { reason: string; leaseBefore?: Date; isSpooled?: boolean; mayHaveStarted: boolean }

const setOf = (keys: readonly AttemptKey[] = []): Set<string> => new Set(keys.map(attemptKeyString))

/** Who holds which attempt: leases are renewed by heartbeat, and end by loss of the worker or of the worker's memory of the attempt. */
@Injectable()
export class Leases {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly attempts: AttemptsRepository,
    private readonly instances: InstancesRepository,
    private readonly logs: AttemptLogs,
    private readonly settlement: Settlement,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
  ) {}

  /**
   * Compares what a worker holds with what it should. Renews the leases of what is right; `stop`: what is not (any more) its to run; `cancel`: what a user wants
   * ended. Attempts that it should hold and does not know are lost: at once after a connect (what was given to it before is not on its way any more), else when
   * they are not fresh. `spooled`: attempts that the worker has output of, so they did start. `givenUp`: attempts that it took and will not tell the end of. `isWhole`: whether all of the
   * message could be read. `receivedAt`: when it came. Whatever was dispatched later it cannot list, however long the message waited here since.
   *
   * Only the process that an attempt was given to knows that it never came, and only once it cannot come any more: over this connection it may still, to a worker that was frozen.
   */
  async reconcile(worker: Holder, held: readonly AttemptKey[], message: Held): Promise<{ stop: AttemptKey[]; cancel: AttemptKey[] }> {
    const { isConnect, isWhole, receivedAt } = message
    const workerId = worker.id
    const leased = await this.attempts.findLeasedBy(workerId)
    const known = new Map(leased.map((attempt) => [attemptKeyString(attemptKeyOf(attempt._id)), attempt]))
    const mine = held.filter((key) => known.has(attemptKeyString(key)))
    const [isHeld, spooled, givenUp] = [setOf(held), setOf(message.spooled), setOf(message.givenUp)]
    const lostBefore = isConnect ? receivedAt : receivedAt - ON_ITS_WAY_MS
    const isForgotten = ({ _id, incarnation, dispatchedAt }: AttemptDocument): boolean => {
      const key = attemptKeyString(attemptKeyOf(_id))
      if (isHeld.has(key)) return false
      // It may be what could not be read, and run: nobody else may run it beside this process.
      const mayBeHeld = !isWhole && incarnation === worker.incarnation
      return givenUp.has(key) || (!mayBeHeld && dispatchedAt.getTime() < lostBefore)
    }
    const [forgotten, kept] = [leased.filter(isForgotten), leased.filter((attempt) => !isForgotten(attempt))]
    // What is on its way too: the answer renews the worker's one lease, under which it would run that as well.
    await this.attempts.renew(
      kept.map(({ _id }) => _id),
      workerId,
      new Date(receivedAt + this.config.leaseMs),
    )
    await this.loseAll(forgotten, (attempt) => {
      const key = attemptKeyOf(attempt._id)
      const text = attemptKeyString(key)
      const isSpooled = spooled.has(text)
      if (attempt.incarnation !== worker.incarnation) return { reason: `The worker ${attempt.workerName} restarted`, isSpooled, mayHaveStarted: true }
      if (givenUp.has(text))
        return {
          reason: `The worker ${attempt.workerName} gave it up: its lease ran out, or no server could read how it ended`,
          isSpooled,
          mayHaveStarted: true,
        }
      const reason = isConnect ? 'The worker never received it' : 'The worker does not know it'
      return { reason, isSpooled, mayHaveStarted: worker.mayHave(key) }
    })
    return {
      stop: await this.notTheirs(
        workerId,
        held.filter((key) => !known.has(attemptKeyString(key))),
      ),
      cancel: mine.filter((key) => (known.get(attemptKeyString(key))?.cancelRequestedAt ?? null) !== null),
    }
  }

  /** Those that the worker lost or never had. One whose end it has reported is no longer leased, but the answer to the report may still be on its way. */
  private async notTheirs(workerId: string, unleased: AttemptKey[]): Promise<AttemptKey[]> {
    if (unleased.length === 0) return []
    const ended = (await this.attempts.findMany(unleased.map(attemptId))).filter((attempt) => attempt.workerId === workerId && attempt.status !== 'LOST')
    const isReported = new Set(ended.map((attempt) => attemptKeyString(attemptKeyOf(attempt._id))))
    return unleased.filter((key) => !isReported.has(attemptKeyString(key)))
  }

  /** Those that were given up: a worker that does not say what is missing of their logs may have died before it had read everything. As texts. */
  async lostAmong(keys: readonly AttemptKey[]): Promise<Set<string>> {
    const attempts = keys.length === 0 ? [] : await this.attempts.findMany(keys.map(attemptId))
    return new Set(attempts.filter(({ status }) => status === 'LOST').map(({ _id }) => attemptKeyString(attemptKeyOf(_id))))
  }

  /** By attempt, as text, the worker that it was given to, and whose run it is of. */
  async holdersOf(keys: readonly AttemptKey[]): Promise<Map<string, { workerId: string; owner: LogOwner }>> {
    const [attempts, owners] = await Promise.all([
      this.attempts.findMany(keys.map(attemptId)),
      this.instances.ownersOf(keys.map(({ instanceId }) => instanceId)),
    ])
    return new Map(
      attempts.flatMap(({ _id, workerId }) => {
        const owner = owners.get(_id.instance)
        return owner === undefined ? [] : [[attemptKeyString(attemptKeyOf(_id)), { workerId, owner }] as const]
      }),
    )
  }

  /** Ends attempts whose lease has run out; the number of them. */
  async expire(limit: number): Promise<number> {
    const now = this.clock.date()
    const expired = await this.withInstance(await this.attempts.findExpired(now, limit))
    await this.loseAll(expired, ({ workerName }) => {
      return { reason: `The worker ${workerName} was silent for longer than its lease of ${this.config.leaseMs} ms`, leaseBefore: now, mayHaveStarted: true }
    })
    return expired.length
  }

  /** Leaves out, and deletes, attempts that were never sent: their server died before it had stored the instance, or before it found that it was cancelled. */
  private async withInstance(attempts: readonly AttemptDocument[]): Promise<readonly AttemptDocument[]> {
    if (attempts.length === 0) return attempts
    const instances = await this.instances.progressOf(attempts.map(({ _id }) => _id.instance))
    const isClaimed = ({ _id }: AttemptDocument): boolean => {
      const instance = instances.get(_id.instance)
      return instance !== undefined && (wasClaimed(_id, instance) || !isFinalInstance(instance.status))
    }
    const orphans = attempts.filter((attempt) => !isClaimed(attempt))
    if (orphans.length > 0) await this.attempts.deleteUnsent(orphans.map(({ _id }) => _id))
    return attempts.filter(isClaimed)
  }

  /** Ends an attempt that no worker was given, and says why; what follows is as for any that was lost before its start. */
  async loseUnsent(key: AttemptKey, reason: string): Promise<void> {
    const [attempt] = await this.attempts.findMany([attemptId(key)])
    if (attempt !== undefined) await this.lose(attempt, { reason, mayHaveStarted: false })
  }

  /** A worker may have held thousands. One that cannot be ended must not cost the worker its answer, nor the others their end. */
  private async loseAll(attempts: readonly AttemptDocument[], lossOf: (attempt: AttemptDocument) => Loss): Promise<void> {
    await eachAlone(
      attempts,
      LOSE_AT_A_TIME,
      (attempt) => this.lose(attempt, lossOf(attempt)),
      ({ _id }, err) => this.logger.error('A lost attempt could not be ended; the sweep tries again', { attempt: attemptKeyString(attemptKeyOf(_id)), err }),
    )
  }

  private async lose(attempt: AttemptDocument, { reason, leaseBefore, isSpooled = false, mayHaveStarted }: Loss): Promise<void> {
    const at = this.clock.date()
    const key = attemptKeyOf(attempt._id)
    const owner = await this.ownerOf(attempt)
    const hasLines = async (): Promise<boolean> => owner !== undefined && (await this.logs.hasLines({ ...key, ...owner }))
    // `started` may never have come although it did start: then another attempt costs a retry, or must not be made at all.
    const hasStarted = isSpooled || attempt.progress !== null || (await hasLines())
    const isUnknown = mayHaveStarted && !hasStarted && attempt.startedAt === null
    const error = isUnknown ? `${reason}; the attempt may have started` : reason
    let lost = await this.attempts.markLost(attempt._id, attempt.workerId, { at, error, leaseBefore, hasStarted, mayHaveStarted })
    if (lost === null) return
    // Lines may have come between the two.
    if (lost.startedAt === null && (await hasLines())) lost = (await this.attempts.markLostStarted(attempt._id)) ?? lost
    this.logger.warn('An attempt is lost', { attempt: attemptKeyString(key), worker: attempt.workerId, hasStarted: lost.startedAt !== null, reason: error })
    this.metrics.attemptsFinished.inc({ status: 'LOST' })
    await this.concludeOf(lost, owner)
  }

  /** What follows from an attempt that has ended, for its log and its instance. The sweep does it again when the server that should have is dead. Idempotent. */
  async conclude(attempt: AttemptDocument): Promise<void> {
    await this.concludeOf(attempt, await this.ownerOf(attempt))
  }

  private async concludeOf(attempt: AttemptDocument, owner: LogOwner | undefined): Promise<void> {
    const { status, startedAt, mayHaveStarted, finishedAt, error, killProblem, result, resultText, isFinal, logTotals } = attempt
    const key = attemptKeyOf(attempt._id)
    if (owner !== undefined) {
      if (status === 'LOST') await this.logs.interrupt({ ...key, ...owner }, error ?? 'The worker is lost')
      else await this.logs.attemptsEnded([{ ...key, ...owner, totals: logTotals === null ? null : announcedTotals(key, logTotals) }])
    }
    const isLeftRunning = killProblem !== undefined
    const end = { status, startedAt, mayHaveStarted, finishedAt: finishedAt ?? this.clock.date(), error, result, resultText, isLeftRunning, isFinal }
    await this.settlement.settle([{ key, ...end }])
  }

  /** Undefined where its run was removed meanwhile, and with it all that is known of its log. */
  private async ownerOf({ _id }: AttemptDocument): Promise<LogOwner | undefined> {
    return (await this.instances.ownersOf([_id.instance])).get(_id.instance)
  }
}
