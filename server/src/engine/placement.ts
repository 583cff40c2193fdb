import { Injectable } from '@nestjs/common'
import type { Job } from 'bullmq'
import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import type { InstanceDocument } from './instance-document.js'
import { InstancesRepository } from './instances.repository.js'
import { Batcher } from '../platform/batcher.js'
import { Logger } from '../platform/logging.js'
import { AttemptQueue } from './attempt-queue.js'
import { type Candidate, Claims, type Reserved } from './claims.js'
import { LimitedRuns } from './limited-runs.js'
import { WorkerSlots } from './ports/workers.js'
import { type Handed, RunLanes } from './run-lanes.js'
import { Settlement } from './settlement.js'

/** A BullMQ job taken from a route. `rest`: those of its attempts for which no slot was free. */
export type Fetched = { route: string; job: Job<unknown, string>; token: string; placements: readonly Reserved[]; rest: readonly AttemptKey[] }

/**
 * `stale`: it does not wait any more. `later`: it has to come again. `held`: there will be another BullMQ job for it once a permit is free. `handed`: attempts that were sent
 * to a worker, with its answer.
 */
type Outcome = { kind: 'stale' } | { kind: 'later' } | { kind: 'placed'; held?: InstanceDocument | undefined; handed?: Sent | undefined }
type Sent = { key: AttemptKey; answer: Promise<Handed> }
/** What a look at the database says: the fate of the attempt, or that permits decide. */
type FirstLook = Outcome | { kind: 'limited'; candidate: Candidate }

const STALE: Outcome = { kind: 'stale' }
const LATER_MS = 1_000

/**
 * Places attempts: makes the attempt, moves the instance to RUNNING, gives it to the worker. From the moment the attempt exists its life is in MongoDB: whatever happens to
 * this server, a heartbeat, a `hello` or the end of the lease decides what became of it. So the BullMQ job ends then, whether or not the worker answers.
 */
@Injectable()
export class Placement {
  private readonly batches = new Batcher<Reserved, FirstLook>({ write: (items) => this.placeBatch(items), maxItems: 500, maxInFlight: 2 })

  constructor(
    private readonly instances: InstancesRepository,
    private readonly claims: Claims,
    private readonly lanes: RunLanes,
    private readonly limited: LimitedRuns,
    private readonly settlement: Settlement,
    private readonly queue: AttemptQueue,
    private readonly slots: WorkerSlots,
    private readonly logger: Logger,
  ) {}

  /**
   * Places the attempts of a BullMQ job and ends it, or gives it back with those that are left. Reserved slots are held or given back in any case. Answers whether all of its
   * attempts were stale. Never rejects.
   */
  async place(fetched: Fetched): Promise<{ isStale: boolean }> {
    const { placements, rest } = fetched
    const outcomes = await Promise.all(placements.map((each) => this.placeOne(each)))
    const later = placements.filter((_, i) => outcomes[i]?.kind === 'later').map(({ key }) => key)
    const placed = outcomes.flatMap((outcome) => (outcome.kind === 'placed' ? [outcome] : []))
    try {
      await this.endJob(fetched, later)
      // Only now: as long as this BullMQ job is there, another of the same name is not taken.
      const held = new Map(placed.flatMap((outcome) => (outcome.held === undefined ? [] : [[outcome.held.jobId, outcome.held]])))
      for (const instance of held.values()) await this.settlement.useFreePermits(instance)
    } catch (err) {
      // Redis is away or was emptied: the job stalls and comes again, or is gone; the sweep finds an instance that still waits.
      this.logger.debug('Could not end a BullMQ job', { bullJob: fetched.job.id, err })
    }
    void this.queueRefused(
      fetched,
      placed.flatMap(({ handed }) => (handed === undefined ? [] : [handed])),
    )
    return { isStale: rest.length === 0 && placements.length > 0 && outcomes.every(({ kind }) => kind === 'stale') }
  }

  /** Resolves when all that was fetched is placed and sent, whether or not the workers have answered. */
  async idle(): Promise<void> {
    await this.batches.idle()
    await this.limited.idle()
    await this.lanes.idle()
  }

  private async endJob({ route, job, token, rest }: Fetched, later: readonly AttemptKey[]): Promise<void> {
    // What only found no slot need not wait for the others.
    if (later.length > 0 && rest.length > 0) await this.queue.addLater(route, job, later, LATER_MS)
    if (rest.length > 0) await this.queue.putBack(route, job, token, rest)
    else if (later.length > 0) await this.queue.postpone(job, token, later, LATER_MS)
    else await job.moveToCompleted('', token, false)
  }

  /** Never rejects. */
  private async queueRefused({ route, job }: Fetched, sent: readonly Sent[]): Promise<void> {
    try {
      const answers = await Promise.all(sent.map(({ answer }) => answer))
      const refused = sent.filter((_, i) => answers[i] === 'refused').map(({ key }) => key)
      if (refused.length > 0) await this.queue.addLater(route, job, refused, LATER_MS)
    } catch (err) {
      this.logger.warn('Refused attempts are not queued again yet; the sweep will do it', { attempts: sent.map(({ key }) => attemptKeyString(key)), err })
    }
  }

  private async placeOne(reserved: Reserved): Promise<Outcome> {
    try {
      const look = await this.batches.add(reserved)
      return look.kind === 'limited' ? await this.placeLimited(look.candidate) : look
    } catch (err) {
      this.giveBack([reserved])
      this.logger.warn('Could not place an attempt; it comes again', { attempt: attemptKeyString(reserved.key), err })
      return { kind: 'later' }
    }
  }

  private async placeLimited(ticket: Candidate): Promise<Outcome> {
    const { held, handed } = await this.limited.place(ticket)
    if (handed === undefined) this.giveBack([ticket])
    return { kind: 'placed', held, handed: handed === undefined ? undefined : { key: handed.candidate.key, answer: handed.answer } }
  }

  private async placeBatch(items: Reserved[]): Promise<FirstLook[]> {
    const found = new Map((await this.instances.findMany(items.map(({ key }) => key.instanceId))).map((instance) => [instance._id, instance]))
    const looks = new Map<Reserved, FirstLook>()
    const candidates: { item: Reserved; candidate: Candidate }[] = []
    for (const item of items) {
      const instance = found.get(item.key.instanceId)
      if (instance === undefined || instance.status !== 'WAITING' || instance.attempt !== item.key.attempt - 1) continue
      const candidate = { ...item, instance }
      if (instance.maxConcurrent > 0) looks.set(item, { kind: 'limited', candidate })
      else candidates.push({ item, candidate })
    }
    const placed = await this.claims.claim(candidates.map(({ candidate }) => candidate))
    const answers = await this.lanes.hand(placed)
    const answerOf = new Map(placed.map((candidate, i) => [candidate, answers[i]]))
    for (const { item, candidate } of candidates) {
      const answer = answerOf.get(candidate)
      if (answer !== undefined) looks.set(item, { kind: 'placed', handed: { key: item.key, answer } })
    }
    this.giveBack(items.filter((item) => !looks.has(item)))
    return items.map((item) => looks.get(item) ?? STALE)
  }

  /** Slots of what is not placed: stale copies, of which there may be thousands, must not keep them from what waits on another route. */
  private giveBack(unplaced: readonly Reserved[]): void {
    this.slots.giveBack(unplaced.map(({ worker }) => worker))
  }
}
