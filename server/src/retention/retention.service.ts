import { Inject, Injectable, type OnModuleInit } from '@nestjs/common'
import { Interval } from '@nestjs/schedule'
import type { Retention } from '@jobtrail/api/auth'
import { NamespacesService } from '../auth/namespaces/namespaces.service.js'
import { CONFIG, type Config } from '../config/config.js'
import { EndedRuns } from '../engine/ended-runs.service.js'
import type { RunEnd } from '../engine/instance-document.js'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { Shutdown } from '../platform/shutdown.js'
import { DAY_MS, firstUpTo, isToRevisit, type Progress } from './domain/due.js'
import { HistoryRemoval } from './history-removal.service.js'
import { Removal } from './removal.service.js'
import { RetentionLock } from './retention-lock.js'
import { RetentionProgressRepository } from './retention-progress.repository.js'

const TICK_MS = 1_000
/** So much of each tick at most, and what is begun: retention never takes more than about half of one server's time. */
const WORK_MS = 500
/** Runs of one step. */
const PAGE = 250
/** Attempts of one step, which are fewer runs where those were retried very often. */
const PAGE_ATTEMPTS = 1_000
const REVISIT_MS = DAY_MS
const FAILURE_PAUSE_MS = 10_000

/** `step` does a bounded piece of it, and is true when there is more. */
type Task = { of: string; step: () => Promise<boolean> }

/**
 * Removes runs and logs that are kept long enough. One server at a time walks over the runs of each namespace in the order of their IDs, which is that of their making, once for
 * logs and once for runs, and remembers how far it has come: nothing is looked through twice. What was not due when it came by is noted and looked at again each day.
 * Without Redis nothing is removed: this can wait.
 */
@Injectable()
export class RetentionService implements OnModuleInit {
  private current: Promise<void> | undefined
  private isStopped = false
  private nextAt = 0

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly namespaces: NamespacesService,
    private readonly runs: EndedRuns,
    private readonly progress: RetentionProgressRepository,
    private readonly removal: Removal,
    private readonly history: HistoryRemoval,
    private readonly lock: RetentionLock,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly shutdown: Shutdown,
  ) {}

  onModuleInit(): void {
    this.shutdown.register('take', 'retention', async () => {
      this.isStopped = true
      await this.current
      await this.lock.release().catch((err: unknown) => this.logger.debug('The lock of retention was not released; it runs out by itself', { err }))
    })
  }

  @Interval('retention', TICK_MS)
  async tick(): Promise<void> {
    if (this.isStopped || this.current !== undefined || performance.now() < this.nextAt) return
    this.current = this.work()
    await this.current
    this.current = undefined
  }

  /** Never rejects. */
  private async work(): Promise<void> {
    try {
      if ((await this.lock.take()) !== 'ours') return
      const isMore = await this.sweep()
      if (!isMore) this.nextAt = performance.now() + this.config.retentionSweepMs
    } catch (err) {
      this.nextAt = performance.now() + FAILURE_PAUSE_MS * (0.5 + Math.random())
      this.logger.warn('Removing what is kept long enough was cut short; it goes on later', { err })
    }
  }

  /** A step of each task in turn, until nothing is due or the time is over; true when something is left. */
  private async sweep(): Promise<boolean> {
    const endAt = performance.now() + WORK_MS
    const found = await this.namespaces.retentions()
    const auditDays = new Map(found.map(({ namespace, retention }) => [namespace, retention.auditDays]))
    let tasks = inAnyOrder<Task>([
      ...found.map(({ namespace, retention }) => ({ of: `namespace ${namespace}`, step: () => this.step(namespace, retention) })),
      { of: 'audit records without a namespace', step: () => this.history.removeAuditOfNone() },
      { of: 'revisions of jobs', step: () => this.history.removeRevisions(auditDays) },
    ])
    while (tasks.length > 0) {
      const left: Task[] = []
      for (const task of tasks) {
        if (this.isStopped || performance.now() >= endAt) return true
        if (await this.tryStep(task)) left.push(task)
      }
      tasks = left
    }
    return false
  }

  /** What is wrong with one must not keep the others from being looked at. */
  private async tryStep(task: Task): Promise<boolean> {
    try {
      return await task.step()
    } catch (err) {
      this.logger.warn('Removing what is kept long enough was cut short; the next sweep goes on', { of: task.of, err })
      return false
    }
  }

  /** True when there is more to do of the namespace. */
  private async step(namespace: string, retention: Retention): Promise<boolean> {
    const passed = await this.progress.find(namespace)
    const isMoreOfRuns = await this.walk(namespace, 'runs', retention.runsDays, retention, passed)
    const isMoreOfLogs = await this.walk(namespace, 'logs', retention.logsDays, retention, passed)
    const isMoreOfAudit = await this.history.removeAudit(namespace, retention.auditDays)
    return (await this.revisit(namespace, retention, passed)) || isMoreOfRuns || isMoreOfLogs || isMoreOfAudit
  }

  /** The next page of a walk: as far as runs were made that can have ended long enough ago. */
  private async walk(namespace: string, walk: keyof Progress, days: number | null, retention: Retention, passed: Progress): Promise<boolean> {
    if (days === null) return false
    const found = await this.runs.find(namespace, passed[walk], this.clock.now() - days * DAY_MS, PAGE)
    const runs = firstUpTo(found, PAGE_ATTEMPTS)
    const last = runs.at(-1)
    if (last === undefined) return false
    passed[walk] = last._id
    await this.handle(namespace, runs, retention, passed)
    await this.progress.advance(namespace, walk, last._id)
    return found.length === PAGE || runs.length < found.length
  }

  private async revisit(namespace: string, retention: Retention, passed: Progress): Promise<boolean> {
    const due = await this.runs.toRevisit(namespace, this.clock.date(), PAGE)
    if (due.length === 0) return false
    const found = await this.runs.findById(due.map(({ id }) => id))
    const runs = firstUpTo(found, PAGE_ATTEMPTS)
    const left = found.slice(runs.length).map(({ _id }) => _id)
    const kept = new Set([...left, ...(await this.handle(namespace, runs, retention, passed))])
    await this.runs.revisited(due.filter(({ id }) => !kept.has(id)))
    return due.length === PAGE || left.length > 0
  }

  /** Removes what is due and notes what is to be looked at again; the IDs of those. */
  private async handle(namespace: string, runs: readonly RunEnd[], retention: Retention, passed: Progress): Promise<string[]> {
    const removed = await this.removal.removeDue(runs, retention)
    if (removed.logs.size > 0) this.logger.info('Removed what was kept long enough', { namespace, runs: removed.runs.size, logs: removed.logs.size })
    const again = runs.map(({ _id }) => _id).filter((id) => !removed.runs.has(id) && isToRevisit(id, removed.logs.has(id), passed))
    await this.runs.revisit(namespace, again, new Date(this.clock.now() + REVISIT_MS))
    return again
  }
}

/** So that no namespace is always the last one, for which the time does not suffice. */
function inAnyOrder<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item)
}
