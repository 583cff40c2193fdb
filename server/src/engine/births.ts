import { Injectable, type OnModuleInit } from '@nestjs/common'
import { attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { type InstanceDocument, nextAttemptOf } from './instance-document.js'
import { type Insert, InstancesService, type Stored } from './instances.service.js'
import { Clock } from '../platform/clock.js'
import { groupBy } from '../platform/group-by.js'
import { Logger } from '../platform/logging.js'
import { Shutdown } from '../platform/shutdown.js'
import { UnderWay } from '../platform/under-way.js'
import { type Candidate, Claims } from './claims.js'
import { Dispatcher } from './dispatcher.js'
import { parseRoute } from './domain/route.js'
import { WorkerSlots } from './ports/workers.js'
import { type Handed, RunLanes } from './run-lanes.js'

const MAX_SLOTS = 500
const LATER_MS = 1_000

/**
 * Places runs as they are made: one that is due, while a worker of this server has a free slot and nothing waits before it, is stored as RUNNING together with its first attempt,
 * and sent. That saves the queue and three writes. What goes wrong on the way is undone, and the run waits as any other; what a server leaves that dies is found by the sweep (a
 * RUNNING instance without an attempt) or when the lease ends (an attempt without an instance).
 */
@Injectable()
export class Births implements OnModuleInit {
  /** Instances that were tried here once: those that are stored again, because that failed, wait. */
  private readonly tried = new WeakSet<InstanceDocument>()
  private readonly underWay = new UnderWay()

  constructor(
    private readonly instances: InstancesService,
    private readonly dispatcher: Dispatcher,
    private readonly slots: WorkerSlots,
    private readonly claims: Claims,
    private readonly lanes: RunLanes,
    private readonly clock: Clock,
    private readonly shutdown: Shutdown,
    private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.instances.storeBy((documents, mayStart, insert) => this.underWay.track(this.store(documents, mayStart, insert)))
    // With the dispatcher: what is on its way to a worker of this server has to be there before the worker is told to go elsewhere.
    this.shutdown.register('take', 'births', () => this.idle())
    this.shutdown.register('finish', 'births', () => this.idle())
  }

  /** Resolves when all that was stored so far is sent, and answered or refused. */
  idle(): Promise<void> {
    return this.underWay.idle()
  }

  /** Stores new instances by `insert`, which answers the indexes of those that were there before. Answers which of those that `mayStart` were placed: they need no queue. */
  async store(documents: readonly InstanceDocument[], mayStart: ReadonlySet<InstanceDocument>, insert: Insert): Promise<Stored> {
    const births = this.reserve(documents.filter((document) => mayStart.has(document)))
    if (births.size === 0) return { duplicates: await insert(documents), isPlaced: () => false }
    const candidates = [...births.values()]
    const attempts = this.makeAttempts(candidates)
    let duplicates: Set<number>
    try {
      duplicates = await insert(documents.map((document) => births.get(document)?.instance ?? document))
    } catch (error) {
      await attempts
      await this.takeBack(candidates)
      throw error
    }
    const made = await attempts
    const placed = new Map<InstanceDocument, Candidate>()
    const rest: Candidate[] = []
    documents.forEach((document, i) => {
      const candidate = births.get(document)
      if (candidate === undefined) return
      if (made.has(candidate) && !duplicates.has(i)) placed.set(document, candidate)
      else rest.push(candidate)
    })
    await this.takeBack(rest)
    if (placed.size > 0) void this.underWay.track(this.send([...placed.values()]))
    return { duplicates, isPlaced: (document) => placed.has(document) }
  }

  /** By instance, the slot for its first attempt: for those that can start now, as far as there are slots. */
  private reserve(documents: readonly InstanceDocument[]): Map<InstanceDocument, Candidate> {
    const births = new Map<InstanceDocument, Candidate>()
    const now = this.clock.now()
    const ready = documents.filter((each) => each.dueAt.getTime() <= now && each.maxConcurrent === 0 && !this.tried.has(each))
    for (const [route, list] of groupBy(ready, (document) => document.route)) {
      if (!this.dispatcher.isClear(route)) continue
      const workers = this.slots.reserve(parseRoute(route), Math.min(MAX_SLOTS, list.length))
      if (workers.length < list.length) this.dispatcher.noteWaiting(route)
      const inOrder = list.toSorted((a, b) => b.priority - a.priority)
      workers.forEach((worker, i) => {
        const document = inOrder[i]
        if (document === undefined) return
        const key = nextAttemptOf(document)
        this.tried.add(document)
        births.set(document, { key, worker, instance: { ...document, status: 'RUNNING', attempt: key.attempt } })
      })
    }
    return births
  }

  /** Never rejects. */
  private async makeAttempts(candidates: readonly Candidate[]): Promise<Set<Candidate>> {
    try {
      return new Set(await this.claims.makeAttempts(candidates))
    } catch (err) {
      this.logger.warn('Could not make the attempts of new instances at once; they wait in the queue', { instances: candidates.length, err })
      return new Set()
    }
  }

  /** Their instances wait, where they were stored at all. */
  private async takeBack(candidates: readonly Candidate[]): Promise<void> {
    if (candidates.length === 0) return
    await this.claims.unclaim(candidates)
    this.slots.giveBack(candidates.map(({ worker }) => worker))
  }

  /** Not waited for: they are stored, and the caller has its answer. Never rejects. */
  private async send(placed: readonly Candidate[]): Promise<void> {
    try {
      const answers: Handed[] = await Promise.all(await this.lanes.hand(placed))
      const refused = placed.filter((_, i) => answers[i] === 'refused').map(({ instance }) => instance)
      const dueAt = new Date(this.clock.now() + LATER_MS)
      if (refused.length > 0) await this.instances.enqueue(refused.map((instance) => ({ ...instance, attempt: instance.attempt - 1, dueAt })))
    } catch (err) {
      this.logger.error('New attempts could not be sent; their leases will run out', { attempts: placed.map(({ key }) => attemptKeyString(key)), err })
    }
  }
}
