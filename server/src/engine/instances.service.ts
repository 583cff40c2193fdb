import { Injectable } from '@nestjs/common'
import { STRIP_LENGTH } from '@jobtrail/shared/api/instances'
import { canRetryInstance, INSTANCE_STATUSES, type InstanceStatus, isFinalInstance } from '@jobtrail/shared/domain/statuses'
import { AttemptQueue, QUEUE_AHEAD_MS, type QueuedAttempt } from './attempt-queue.js'
import { sharedJobs } from './domain/queued-attempts.js'
import { routeName } from './domain/route.js'
import { Batcher } from '../platform/batcher.js'
import { Clock } from '../platform/clock.js'
import { groupBy } from '../platform/group-by.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { SignalBus } from '../platform/signals.js'
import { storedParams } from '../platform/stored-json.js'
import { attemptKeyOf } from './attempt-document.js'
import { AttemptsRepository } from './attempts.repository.js'
import { InstanceIds } from './domain/instance-id.js'
import { isMissed } from './domain/missed.js'
import type { NewInstance } from './domain/new-instance.js'
import { type InstanceDocument, nextAttemptOf, type QueueableInstance } from './instance-document.js'
import { type FirstInstance, InstancesRepository } from './instances.repository.js'
import { RevisitsRepository } from './revisits.repository.js'

/** What other features may know of an instance. */
export type InstanceRef = { id: string; namespace: string; status: InstanceStatus; attempt: number }
/** `isOther`: there was one with the idempotency key already, but another request had made it. */
export type Created = { instanceId: string; created: boolean; isOther?: boolean }

/** `duplicates`: indexes of those that were there before. `isPlaced`: it has its first attempt already, and needs no queue. */
export type Stored = { duplicates: Set<number>; isPlaced: (document: InstanceDocument) => boolean }
/** Stores new instances by `insert`, and may place those that `mayStart` at once. */
type Store = (documents: readonly InstanceDocument[], mayStart: ReadonlySet<InstanceDocument>, insert: Insert) => Promise<Stored>
/** Answers the indexes of those that were there before. */
export type Insert = (documents: readonly InstanceDocument[]) => Promise<Set<number>>

const END_AT_A_TIME = 200

/** Makes, cancels and retries instances. Callers have checked rights before. */
@Injectable()
export class InstancesService {
  private readonly ids = new InstanceIds()
  private store: Store = async (documents, _mayStart, insert) => ({ duplicates: await insert(documents), isPlaced: () => false })
  private readonly inserts = new Batcher<InstanceDocument[], Created[]>({
    write: (lists) => this.insertLists(lists),
    maxItems: 500,
    maxInFlight: 2,
    minBeside: 64,
  })

  constructor(
    private readonly repository: InstancesRepository,
    private readonly attempts: AttemptsRepository,
    private readonly revisits: RevisitsRepository,
    private readonly queue: AttemptQueue,
    private readonly signals: SignalBus,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
  ) {}

  /** Lets what places runs store them, so that some can start at once. */
  storeBy(store: Store): void {
    this.store = store
  }

  /**
   * Stores instances and queues those that are due soon; in the order of `items`. A second instance of the same scheduled time or idempotency key of a job is not
   * made: the answer names the first. Once this resolves they will run, whatever happens to this server or to Redis.
   */
  createMany(items: NewInstance[]): Promise<Created[]> {
    if (items.length === 0) return Promise.resolve([])
    const now = this.clock.now()
    // With their IDs from here on, so that writing them again makes none twice.
    return this.inserts.add(items.map((item) => newDocument(item, this.ids.next(now), now)))
  }

  /** Indexes of those whose idempotency key another request has used, with the instance that has it: looked up before any of a list is made. */
  async usedByOthers(items: readonly NewInstance[]): Promise<Map<number, string>> {
    const keyed = items.flatMap(({ job, idempotencyKey, requestDigest }, index) =>
      idempotencyKey === undefined ? [] : [{ jobId: job.id, idempotencyKey, requestDigest, index }],
    )
    if (keyed.length === 0) return new Map()
    const found = await this.repository.findByOrigin(keyed.map(({ jobId, idempotencyKey }) => ({ jobId, idempotencyKey })))
    return new Map(
      keyed.flatMap(({ index, requestDigest }, i) => {
        const first = found[i]
        return first?.requestDigest === undefined || first.requestDigest === requestDigest ? [] : [[index, first._id] as const]
      }),
    )
  }

  /** For people: its present state; undefined when it does not exist. */
  async current(id: string): Promise<InstanceRef | undefined> {
    const document = await this.repository.look(id)
    return document === null ? undefined : { id, namespace: document.namespace, status: document.status, attempt: document.attempt }
  }

  /** How the last run of each job that has ended did so, among its last ones; jobs without such a run are left out. */
  async lastResults(jobIds: string[]): Promise<Map<string, InstanceStatus>> {
    const jobs = await this.repository.lastOfJobs(jobIds, {}, STRIP_LENGTH)
    return new Map(
      jobs.flatMap(({ jobId, runs }) => {
        const last = runs.find(({ status }) => isFinalInstance(status))
        return last === undefined ? [] : [[jobId, last.status] as const]
      }),
    )
  }

  /** A waiting instance is CANCELLED at once; a running one when its worker has ended it. Idempotent while it is being cancelled; false when it has ended. */
  async cancel(id: string): Promise<boolean> {
    const at = this.clock.date()
    // Once more: it may have gone back to WAITING between the two.
    const isCancelled = (await this.repository.cancelWaiting(id, at)) || (await this.cancelRunning(id, at)) || (await this.repository.cancelWaiting(id, at))
    if (isCancelled) this.signals.send('log', id, { instanceId: id })
    return isCancelled
  }

  /** Cancels what waits of a job; what runs goes on. */
  async cancelWaitingOf(jobId: string, error: string): Promise<void> {
    for (;;) {
      const ids = await this.repository.cancelSomeWaiting({ jobId }, this.clock.date(), error)
      if (ids.length === 0) return
      for (const instanceId of ids) this.signals.send('log', instanceId, { instanceId })
    }
  }

  /** Ends what is left in a namespace that was removed, some at a time: true when nothing waits or runs there any more. */
  async endSomeOf(namespace: string, error: string): Promise<boolean> {
    const at = this.clock.date()
    const cancelled = await this.repository.cancelSomeWaiting({ namespace }, at, error)
    for (const instanceId of cancelled) this.signals.send('log', instanceId, { instanceId })
    const running = await this.repository.findRunning(namespace, END_AT_A_TIME)
    for (const { id, isCancelled } of running) if (!isCancelled) await this.cancelRunning(id, at)
    return cancelled.length === 0 && running.length === 0
  }

  /** Whether the job has an instance that waits or runs. */
  hasUnfinished(jobId: string): Promise<boolean> {
    return this.repository.hasUnfinished(jobId)
  }

  /** Another attempt of an instance that ended without success; false when it is not as it was any more. */
  async retry({ _id: id, namespace, attempt }: Pick<InstanceDocument, '_id' | 'namespace' | 'attempt'>): Promise<boolean> {
    // Retention may have come by already. First, so that no crash can lose it.
    await this.revisits.note(namespace, [id], this.clock.date())
    const retried = await this.repository.retryFinal(id, attempt, INSTANCE_STATUSES.filter(canRetryInstance), this.clock.date())
    if (retried === null) return false
    await this.enqueue([retried])
    this.signals.send('log', id, { instanceId: id })
    return true
  }

  /** Gives instances to BullMQ; false when that failed, which is logged, not thrown: the sweep does it again. `areNew`: none was given to it before. */
  async enqueue(instances: readonly QueueableInstance[], { areNew } = { areNew: false }): Promise<boolean> {
    try {
      await this.queue.add(instances.map(queuedAttempt), areNew)
      return true
    } catch (err) {
      this.logger.warn('Instances are stored but not queued yet; the sweep will do it', { count: instances.length, err })
      return false
    }
  }

  private async cancelRunning(id: string, at: Date): Promise<boolean> {
    if (!(await this.repository.requestCancel(id, at))) return false
    const instance = await this.repository.findById(id)
    if (instance === null) return false
    const attempt = await this.attempts.requestCancel(id, instance.attempt, at)
    // Without a leased attempt it is between two states: the sweep or the retry that follows sees cancelRequestedAt.
    if (attempt !== null) this.signals.send('cancel', id, { workerId: attempt.workerId, attempts: [attemptKeyOf(attempt._id)] })
    return true
  }

  private async insertLists(lists: InstanceDocument[][]): Promise<Created[][]> {
    const documents = shareJobs(lists.flat())
    // Many of one call are shared among the workers of all servers by the queue.
    const alone = new Set(lists.flatMap((list) => (list.length === 1 ? list : [])))
    const { duplicates, isPlaced } = await this.store(documents, alone, (list) => this.repository.insertMany(list))
    const made = duplicates.size === 0 ? documents : documents.filter((_, i) => !duplicates.has(i))
    const existing = await this.findExisting([...duplicates].map((i) => documents[i]).filter((each) => each !== undefined))
    for (const document of made) this.metrics.instancesCreated.inc({ cause: document.cause.kind })
    const due = made.filter((document) => document.queued && !isPlaced(document))
    if (due.length > 0) await this.enqueue(due, { areNew: true })
    const created = documents.map((document, i): Created => {
      if (!duplicates.has(i)) return { instanceId: document._id, created: true }
      const first = existing.get(document._id)
      const isOther = first?.requestDigest !== undefined && first.requestDigest !== document.requestDigest
      return { instanceId: first?._id ?? document._id, created: false, isOther }
    })
    let at = 0
    return lists.map((list) => created.slice(at, (at += list.length)))
  }

  /** By the ID that was refused, the instance that was there first. */
  private async findExisting(refused: InstanceDocument[]): Promise<Map<string, FirstInstance>> {
    if (refused.length === 0) return new Map()
    const first = await this.repository.findByOrigin(
      refused.map(({ jobId, scheduledFor, idempotencyKey }) =>
        scheduledFor === undefined ? { jobId, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) } : { jobId, scheduledFor },
      ),
    )
    return new Map(
      refused.flatMap((document, i) => {
        const found = first[i]
        return found === undefined ? [] : [[document._id, found]]
      }),
    )
  }
}

/** As the queue knows the next attempt of one that waits. */
export const queuedAttempt = (instance: QueueableInstance): QueuedAttempt => ({
  key: nextAttemptOf(instance),
  route: instance.route,
  priority: instance.priority,
  dueAt: instance.dueAt.getTime(),
  queuedAs: instance.queuedAs,
  isMissed: isMissed(instance),
})

/** Notes which BullMQ jobs those share that are queued at once. */
function shareJobs(documents: InstanceDocument[]): InstanceDocument[] {
  // Of a batch that is stored again in parts other ones share.
  for (const document of documents) delete document.queuedAs
  const due = documents.filter(({ queued }) => queued)
  for (const alike of groupBy(due, ({ route }) => route).values()) {
    const attempts = alike.map((document) => ({ ...queuedAttempt(document), document }))
    for (const [{ document }, jobId] of sharedJobs(attempts)) document.queuedAs = jobId
  }
  return documents
}

function newDocument(item: NewInstance, id: string, now: number): InstanceDocument {
  const { job } = item
  return {
    _id: id,
    namespace: job.namespace,
    jobId: job.id,
    jobName: job.name,
    revision: job.revision,
    route: routeName({ namespace: job.namespace, group: job.routing.group, tags: job.routing.tags, handler: job.handler }),
    priority: job.priority,
    maxConcurrent: job.maxConcurrent,
    ...storedParams(item.params),
    cause: item.cause,
    status: 'WAITING',
    ...(item.scheduledFor === null ? {} : { scheduledFor: new Date(item.scheduledFor) }),
    ...(item.idempotencyKey === undefined ? {} : { idempotencyKey: item.idempotencyKey }),
    ...(item.requestDigest === undefined ? {} : { requestDigest: item.requestDigest }),
    createdAt: new Date(now),
    dueAt: new Date(item.dueAt),
    startedAt: null,
    finishedAt: null,
    attempt: 0,
    retriesUsed: 0,
    unstartedLosses: 0,
    queued: item.dueAt <= now + QUEUE_AHEAD_MS,
    heldAt: null,
    cancelRequestedAt: null,
    error: null,
    result: null,
    ...(job.outcomes === undefined || job.outcomes.length === 0 ? {} : { outcomes: [...job.outcomes] }),
  }
}
