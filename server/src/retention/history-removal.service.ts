import { Inject, Injectable } from '@nestjs/common'
import { AuditService } from '../audit/audit.service.js'
import { NamespacesService } from '../auth/namespaces/namespaces.service.js'
import { CONFIG, type Config } from '../config/config.js'
import { EndedRuns } from '../engine/ended-runs.service.js'
import type { JobRevisionKey } from '../jobs/domain/job.js'
import { JobHistory } from '../jobs/job-history.service.js'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { DAY_MS } from './domain/due.js'
import { type OldRevision, oldRevisions } from './domain/revisions.js'
import { RetentionProgressRepository } from './retention-progress.repository.js'

/** Revisions of one step. Each may need a look for runs of it. */
const PAGE = 100
/** The walk over all revisions begins again after so many sweeps: each hour, unless another time is set. */
const WALK_EVERY_SWEEPS = 6
/** What servers know of the cluster's time differs a little, and a server may be slow: a run of a revision was made from so long before that to so long after its end. */
const EARLY_MS = 60_000
const LATE_MS = 3_600_000

/**
 * Removes what is kept long enough of the history of changes: audit records, and revisions of jobs that nothing refers to. Each step takes a bounded piece and is true when
 * there is more; doing it twice, also on two servers, removes the same.
 */
@Injectable()
export class HistoryRemoval {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly audit: AuditService,
    private readonly namespaces: NamespacesService,
    private readonly jobs: JobHistory,
    private readonly runs: EndedRuns,
    private readonly progress: RetentionProgressRepository,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** Of a namespace. */
  async removeAudit(namespace: string, days: number | null): Promise<boolean> {
    if (days === null) return false
    return this.removeAuditBefore(days, [namespace])
  }

  /** Of what belongs to no namespace, or to one that was removed. */
  async removeAuditOfNone(): Promise<boolean> {
    const { auditDays } = this.config
    if (auditDays === null) return false
    const removed = await this.namespaces.removedAmong(await this.audit.namespaces())
    return this.removeAuditBefore(auditDays, [null, ...removed])
  }

  private async removeAuditBefore(days: number, namespaces: readonly (string | null)[]): Promise<boolean> {
    const removed = await this.audit.deleteSomeBefore(new Date(this.clock.now() - days * DAY_MS), namespaces)
    if (removed > 0) this.logger.info('Removed audit records that were kept long enough', { namespaces: namespaces.slice(0, 10), records: removed })
    return removed > 0
  }

  /** The next page of a walk over the revisions of all jobs. `auditDays` by namespace. */
  async removeRevisions(auditDays: ReadonlyMap<string, number | null>): Promise<boolean> {
    const { after, nextAt } = await this.progress.findRevisionsWalk()
    if (nextAt.getTime() > this.clock.now()) return false
    // One more, which says when the last one was replaced.
    const keys = await this.jobs.revisionsAfter(after ?? undefined, PAGE + 1)
    const isMore = keys.length > PAGE
    const heads = await this.jobs.headsOf([...new Set(keys.map(({ job }) => job))])
    const { ofRemovedJobs, old } = oldRevisions(keys, heads, auditDays)
    const gone = [...(await this.withoutRuns(ofRemovedJobs)), ...(await this.unused(old))]
    if (gone.length > 0) {
      await this.jobs.deleteRevisions(gone)
      this.logger.info('Removed revisions of jobs that nothing refers to', { revisions: gone.length })
    }
    const last = keys[PAGE - 1]
    await this.progress.saveRevisionsWalk(
      isMore && last !== undefined
        ? { after: last, nextAt: new Date(0) }
        : { after: null, nextAt: new Date(this.clock.now() + WALK_EVERY_SWEEPS * this.config.retentionSweepMs) },
    )
    return isMore
  }

  /** Of removed jobs: of which there is no run any more, and no late one to come. */
  private async withoutRuns(ofRemovedJobs: ReadonlyMap<string, JobRevisionKey[]>): Promise<JobRevisionKey[]> {
    const gone: JobRevisionKey[] = []
    for (const [job, keys] of ofRemovedJobs) {
      if (!(await this.jobs.mayStillRun(job)) && !(await this.runs.hasAny(job))) gone.push(...keys)
    }
    return gone
  }

  /** Those that were replaced long enough ago and have no run. */
  private async unused(old: readonly OldRevision[]): Promise<JobRevisionKey[]> {
    const times = await this.jobs.timesOf(old.flatMap(({ key, next }) => [key, next]))
    const gone: JobRevisionKey[] = []
    for (const [i, { key, auditDays }] of old.entries()) {
      const [madeAt, replacedAt] = [times[2 * i], times[2 * i + 1]]
      if (madeAt === undefined || replacedAt === undefined || this.clock.now() - replacedAt.getTime() <= auditDays * DAY_MS) continue
      const hasRun = await this.runs.hasOfRevision(key, madeAt.getTime() - EARLY_MS, replacedAt.getTime() + LATE_MS)
      if (!hasRun) gone.push(key)
    }
    return gone
  }
}
