import { Injectable } from '@nestjs/common'
import type { Filter } from 'mongodb'
import { z } from 'zod'
import type { JobPage, JobQuery, JobRevisionPage, JobRevisionQuery, JobRevisionView, JobView, PreviewTrigger, TriggerPreview } from '@jobtrail/shared/api/jobs'
import { NotFoundError } from '@jobtrail/shared/domain/errors'
import type { InstanceStatus } from '@jobtrail/shared/domain/statuses'
import { fireTimesBetween, nextFireAfter } from '@jobtrail/shared/domain/next-fire'
import { Principal } from '../rights/principal.js'
import { InstancesService } from '../engine/instances.service.js'
import { Clock } from '../platform/clock.js'
import { decodeCursor, encodeCursor, toPage } from '../platform/http/cursor.js'
import { type JobDocument, jobRevisionView, jobView } from './domain/job.js'
import { JobRevisionsRepository } from './job-revisions.repository.js'
import { JobsRepository, type StoredJob } from './jobs.repository.js'
import { JobsService } from './jobs.service.js'

/** Namespace and name of the last job of a page. */
const JobCursor = z.tuple([z.string(), z.string()])
type JobCursor = z.infer<typeof JobCursor>
const cursorOf = ({ namespace, name }: JobDocument): JobCursor => [namespace, name]

/** Bounds of one call that looks for a last result; its cursor goes on. */
const BATCH = 100
const MOST_SEARCHED = 500

const PREVIEW_AHEAD_MS = 10 * 366 * 86_400_000

/** Shows jobs and their revisions, without the values of secrets. */
@Injectable()
export class JobQueriesService {
  constructor(
    private readonly jobs: JobsService,
    private readonly repository: JobsRepository,
    private readonly revisionsRepository: JobRevisionsRepository,
    private readonly instances: InstancesService,
    private readonly clock: Clock,
  ) {}

  async list(principal: Principal, query: JobQuery): Promise<JobPage> {
    const filter = { $and: [principal.namespaceFilter(query.namespace), ...conditionsOf(query)] }
    const after = query.cursor === undefined ? undefined : decodeCursor(JobCursor, query.cursor)
    if (query.lastResult !== undefined) return this.searchByResult(filter, query.lastResult, query.limit, after)
    const { rows, isCut } = await this.repository.list(behind(filter, after), query.limit + 1)
    return toPage(rows, isCut ? rows.length - 1 : query.limit, jobView, cursorOf)
  }

  /** The result is not in the job, where each end of a run would have to write it: it is looked up for the jobs that the filter leaves. */
  private async searchByResult(filter: Filter<StoredJob>, wanted: InstanceStatus, limit: number, cursor: JobCursor | undefined): Promise<JobPage> {
    const found: JobDocument[] = []
    let after = cursor
    for (let searched = 0; searched < MOST_SEARCHED; searched += BATCH) {
      const { rows: batch, isCut } = await this.repository.list(behind(filter, after), BATCH)
      const isLastBatch = batch.length < BATCH && !isCut
      const results = await this.instances.lastResults(batch.map(({ _id }) => _id))
      for (const [i, job] of batch.entries()) {
        after = cursorOf(job)
        if (results.get(job._id) !== wanted || found.push(job) < limit) continue
        const isLast = isLastBatch && i === batch.length - 1
        return { items: found.map(jobView), next: isLast ? null : encodeCursor(after) }
      }
      if (isLastBatch) return { items: found.map(jobView), next: null }
    }
    return { items: found.map(jobView), next: encodeCursor(after) }
  }

  /** The enabled jobs that fire next. For callers who have checked rights before. */
  nextFires(filter: Filter<StoredJob>, limit: number): Promise<Pick<JobDocument, '_id' | 'name' | 'namespace' | 'nextFireAt'>[]> {
    return this.repository.nextFires(filter, limit)
  }

  async get(principal: Principal, id: string): Promise<JobView> {
    return jobView(await this.jobs.requireJob(principal, id, 'viewer'))
  }

  async listRevisions(principal: Principal, id: string, { cursor, limit }: JobRevisionQuery): Promise<JobRevisionPage> {
    await this.jobs.requireJob(principal, id, 'viewer')
    const { rows, isCut } = await this.revisionsRepository.list(id, cursor ?? Number.MAX_SAFE_INTEGER, limit + 1)
    const most = isCut ? rows.length - 1 : limit
    const items = rows.slice(0, most).map(jobRevisionView)
    const last = items.at(-1)
    return { items, next: rows.length > most && last !== undefined ? String(last.revision) : null }
  }

  async getRevision(principal: Principal, id: string, revision: number): Promise<JobRevisionView> {
    await this.jobs.requireJob(principal, id, 'viewer')
    const found = await this.revisionsRepository.find(id, revision)
    if (found === null) throw new NotFoundError(`revision ${revision} of job`, id)
    return jobRevisionView(found)
  }

  /** A trigger that rarely fires shows its times of the next years, or else its first: those after that cost much and help nobody. */
  preview({ trigger, count }: PreviewTrigger): TriggerPreview {
    const now = this.clock.now()
    const times = fireTimesBetween(trigger, now, now + PREVIEW_AHEAD_MS, now, count)
    const first = times.length === 0 ? nextFireAfter(trigger, now, now) : undefined
    return { fireTimes: (first === undefined ? times : [first]).map((at) => new Date(at).toISOString()) }
  }
}

function conditionsOf({ name, search, group, trigger, after, enabled }: JobQuery): Filter<StoredJob>[] {
  const conditions: Filter<StoredJob>[] = []
  if (name !== undefined) conditions.push({ name })
  if (search !== undefined) conditions.push({ name: { $regex: search.replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`), $options: 'i' } })
  if (group !== undefined) conditions.push({ 'routing.group': group })
  if (trigger !== undefined) conditions.push({ 'trigger.kind': trigger })
  if (after !== undefined) conditions.push({ 'trigger.job': after })
  if (enabled !== undefined) conditions.push({ enabled })
  return conditions
}

function behind(filter: Filter<StoredJob>, after: JobCursor | undefined): Filter<StoredJob> {
  if (after === undefined) return filter
  const [namespace, name] = after
  return { $and: [filter, { $or: [{ namespace: { $gt: namespace } }, { namespace, name: { $gt: name } }] }] }
}
