import { Injectable } from '@nestjs/common'
import { taskKeyString } from './domain/task-key.js'
import { type InstanceDocument, nextAttemptOf } from './instance-document.js'
import { Batcher } from '../platform/batcher.js'
import { Clock } from '../platform/clock.js'
import { isItemError } from '../platform/item-error.js'
import { Logger } from '../platform/logging.js'
import { writeApart } from '../platform/write-apart.js'
import { type Candidate, Claims } from './claims.js'
import { type Handed, RunLanes } from './run-lanes.js'
import type { PermitWish } from './domain/plan-permits.js'
import { PermitsRepository } from './permits.repository.js'
import { TasksRepository } from './tasks.repository.js'

/** What became of a ticket: `held` when its own instance still waits; `handed` when its slot was given an attempt, of whichever instance was first. */
export type TicketResult = { held: InstanceDocument | undefined; handed: { candidate: Candidate; answer: Promise<Handed> } | undefined }

/** Looks for the next ones so often; more than one is needed only when other servers place runs of the same job. */
const ROUNDS = 5
const MAX_TICKETS = 500

/**
 * Places runs of jobs with `maxConcurrent`. That one of them comes up is but a ticket for the job: the run that is placed is the first in order (priority, then creation) that
 * waits on the same route, whichever server and worker the ticket came to. One batch of a job and route at a time on a server, so no job waits for another one's permits.
 */
@Injectable()
export class LimitedRuns {
  private readonly batchers = new Map<string, Batcher<Candidate, TicketResult>>()

  constructor(
    private readonly tasks: TasksRepository,
    private readonly permits: PermitsRepository,
    private readonly claims: Claims,
    private readonly lanes: RunLanes,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** The ticket's slot is held by what was placed, or left as it is. */
  async place(ticket: Candidate): Promise<TicketResult> {
    const { jobId, route } = ticket.instance
    const key = `${jobId} ${route}`
    const batcher =
      this.batchers.get(key) ?? new Batcher({ write: (tickets: Candidate[]) => this.placeAll(jobId, route, tickets), maxItems: MAX_TICKETS, maxInFlight: 1 })
    this.batchers.set(key, batcher)
    try {
      return await batcher.add(ticket)
    } finally {
      if (batcher.isIdle && this.batchers.get(key) === batcher) this.batchers.delete(key)
    }
  }

  async idle(): Promise<void> {
    await Promise.all([...this.batchers.values()].map((batcher) => batcher.idle()))
  }

  private async placeAll(jobId: string, route: string, tickets: Candidate[]): Promise<TicketResult[]> {
    const placed = [...(await this.placeInOrder(jobId, route, tickets))]
    // From here on slots are taken, so nothing may reject.
    const answers = await this.lanes.hand(placed.map(([, candidate]) => candidate))
    const handed = new Map(placed.map(([ticket, candidate], i) => [ticket, { candidate, answer: answers[i] ?? Promise.resolve('taken' as const) }]))
    const placedTasks = new Set(placed.map(([, { key }]) => taskKeyString(key)))
    const isPlaced = ({ key }: Candidate): boolean => placedTasks.has(taskKeyString(key))
    await this.hold(tickets.filter((ticket) => !isPlaced(ticket)))
    return tickets.map((ticket) => ({ held: isPlaced(ticket) ? undefined : ticket.instance, handed: handed.get(ticket) }))
  }

  private async hold(tickets: readonly Candidate[]): Promise<void> {
    const keys = tickets.map(({ key }) => key)
    try {
      if (keys.length > 0) await this.tasks.hold(keys, this.clock.date())
    } catch (err) {
      this.logger.warn('Tasks that wait for a permit are not marked so; the sweep will queue them again', { tasks: keys.map(taskKeyString), err })
    }
  }

  /** The first ones in order, by the ticket whose slot each takes, as far as there are permits. */
  private async placeInOrder(jobId: string, route: string, tickets: readonly Candidate[]): Promise<Map<Candidate, Candidate>> {
    const placed = new Map<Candidate, Candidate>()
    const tried = new Set<string>()
    for (let round = 0; round < ROUNDS && placed.size < tickets.length; round++) {
      const free = tickets.filter((ticket) => !placed.has(ticket))
      try {
        if (!(await this.placeSome(jobId, route, free, tried, placed))) break
      } catch (err) {
        // What is placed has to be sent. The others are held, and queued again as soon as this is over.
        if (placed.size === 0) throw err
        this.logger.warn('Could not place all runs of a job with maxConcurrent', { job: jobId, route, err })
        break
      }
    }
    return placed
  }

  /** True when another look may find more. */
  private async placeSome(jobId: string, route: string, free: readonly Candidate[], tried: Set<string>, placed: Map<Candidate, Candidate>): Promise<boolean> {
    const now = this.clock.date()
    const found = await this.tasks.findNextLimited(jobId, route, now, free.length + tried.size)
    const next = found
      .map((instance) => ({ key: nextAttemptOf(instance), instance }))
      .filter(({ key }) => !tried.has(taskKeyString(key)))
      .slice(0, free.length)
    if (next.length === 0) return false
    const granted = await this.permits.acquire(jobId, next.map(wishOf), now)
    const byTicket = new Map<Candidate, Candidate>()
    free.slice(0, granted).forEach((ticket, i) => {
      const first = next[i]
      if (first !== undefined) byTicket.set(ticket, { ...first, worker: ticket.worker })
    })
    for (const { key } of byTicket.values()) tried.add(taskKeyString(key))
    const made = new Set<Candidate>()
    let bad: Candidate[] = []
    try {
      bad = await this.claimApart([...byTicket.values()], made)
    } finally {
      for (const [ticket, candidate] of byTicket) if (made.has(candidate)) placed.set(ticket, candidate)
    }
    await this.permits.release(bad.map(({ key }) => key))
    await this.releaseUnclaimed([...byTicket.values()].filter((candidate) => !made.has(candidate) && !bad.includes(candidate)))
    return granted === next.length || bad.length > 0
  }

  /** Adds to `made` what is claimed, and answers what cannot be: one such must not hold up all that come after it. */
  private async claimApart(candidates: readonly Candidate[], made: Set<Candidate>): Promise<Candidate[]> {
    const bad: Candidate[] = []
    const claim = async (part: Candidate[]): Promise<void> => {
      for (const candidate of await this.claims.claim(part)) made.add(candidate)
    }
    await writeApart(candidates, 1, claim, (part, err) => {
      if (!isItemError(err)) throw err
      this.logger.error('An attempt cannot be made', { instance: part[0]?.instance._id, err })
      bad.push(...part)
    })
    return bad
  }

  /** A permit of one that another server placed at the same time is that attempt's; of one that was cancelled it is nobody's. */
  private async releaseUnclaimed(candidates: readonly Candidate[]): Promise<void> {
    if (candidates.length === 0) return
    const found = await this.tasks.find(candidates.map(({ key }) => key))
    const ended = [...found.values()].filter(({ status }) => status === 'CANCELLED')
    await this.permits.release(ended.map(nextAttemptOf))
  }
}

const wishOf = ({ key, instance }: Pick<Candidate, 'key' | 'instance'>): PermitWish => ({ key, maxConcurrent: instance.maxConcurrent })
