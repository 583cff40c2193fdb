import { Injectable } from '@nestjs/common'
import type { Filter } from 'mongodb'
import { INSTANCE_STATUSES, type InstanceStatus } from '@jobtrail/shared/domain/statuses'
import { idAt } from '../engine/domain/instance-id.js'
import { type AttemptDocument, HAS_LOG, LOG_VOLUME_INDEX } from '../engine/attempt-document.js'
import { BY_STATUS_AND_NAMESPACE, type InstanceDocument } from '../engine/instance-document.js'
import type { JobDocument } from '../jobs/domain/job.js'
import { Mongo } from '../platform/mongo.js'
import type { Reads } from '../platform/reads.js'

export type NamespaceFilter = { namespace?: string | { $in: string[] } }
export type Span = { fromMs: number; toMs: number; bucketMs: number }
type BucketCount = { _id: { bucket: number; status: InstanceStatus }; count: number }
export type JobCount = {
  _id: string
  jobName: string
  namespace: string
  runs: number
  failed: number
  meanMs: number | null
  maxMs: number | null
  lastFailed: string | null
}
/** `seen`: how many runs were looked at, `oldest`: when the first of them was made. */
export type RunCounts = { buckets: BucketCount[]; slowest: JobCount[]; failing: JobCount[]; seen: number; oldest: Date | undefined }
type LogVolume = { bucket: number; lines: number; bytes: number }
/** `seen`, `oldest` as of {@link RunCounts}, of attempts that logged something. */
export type LogVolumes = { buckets: LogVolume[]; seen: number; oldest: Date | undefined }

/** What is looked at and no more, however much there is. */
export const MAX_RUNS = 100_000
export const MAX_ATTEMPTS = 100_000
const MAX_NAMESPACES = 10_000
const MAX_COUNT = 100_000
const MAX_LOGS = 10_000
const TOP = 8
const LATE_MS = 30_000
const FAILURES: InstanceStatus[] = ['FAILED', 'TIMED_OUT']

/** Reads over what instances, jobs and logs own; writes nothing. */
@Injectable()
export class OverviewRepository {
  private readonly instances: Reads<InstanceDocument>
  private readonly attempts: Reads<AttemptDocument>
  private readonly jobs: Reads<JobDocument>
  private readonly streams: Reads<{ state: string; expectedAt?: Date }>
  private readonly namespaces: Reads<{ _id: string }>

  constructor(mongo: Mongo) {
    this.instances = mongo.reads('instances')
    this.attempts = mongo.reads('attempts')
    this.jobs = mongo.reads('jobs')
    this.streams = mongo.reads('log_streams')
    this.namespaces = mongo.reads('namespaces')
  }

  count(namespaces: NamespaceFilter, status: InstanceStatus): Promise<number> {
    return this.instances.countDocuments({ ...namespaces, status }, { limit: MAX_COUNT })
  }

  /** One pass over the newest runs of a span: an ID bound is a time bound, so an index gives them in order. */
  async runs(namespaces: NamespaceFilter, { fromMs, toMs, bucketMs }: Span): Promise<RunCounts> {
    const isFailure = { $in: ['$status', FAILURES] }
    const byJob = {
      $group: {
        _id: '$jobId',
        jobName: { $first: '$jobName' },
        namespace: { $first: '$namespace' },
        runs: { $sum: 1 },
        failed: { $sum: { $cond: [isFailure, 1, 0] } },
        meanMs: { $avg: '$ms' },
        maxMs: { $max: '$ms' },
        // A UUIDv7, so the greatest is the newest; null is less than any.
        lastFailed: { $max: { $cond: [isFailure, '$_id', null] } },
      },
    }
    const _id = { $gte: idAt(fromMs), $lt: idAt(toMs) }
    // Every status is named so that the index gives a namespace's runs in the order of their IDs: by IDs alone it would lead over those of all namespaces.
    const isOfAll = namespaces.namespace === undefined
    const match = isOfAll ? { _id } : { ...namespaces, status: { $in: [...INSTANCE_STATUSES] }, _id }
    const top = (sortBy: Record<string, 1 | -1>) => ({ $topN: { n: TOP, sortBy, output: '$$ROOT' } })
    const [found] = await this.instances
      .aggregate<{ buckets: (BucketCount & { oldest: Date })[]; jobs: { slowest: JobCount[]; failing: JobCount[] }[] }>(
        [
          { $match: match },
          { $sort: { _id: -1 } },
          { $limit: MAX_RUNS },
          {
            $project: {
              status: 1,
              jobId: 1,
              jobName: 1,
              namespace: 1,
              createdAt: 1,
              bucket: { $floor: { $divide: [{ $toLong: '$createdAt' }, bucketMs] } },
              // One that never started has no duration; one that waits to be retried, not yet.
              ms: { $cond: [{ $and: ['$startedAt', '$finishedAt'] }, { $subtract: ['$finishedAt', '$startedAt'] }, null] },
            },
          },
          {
            $facet: {
              buckets: [{ $group: { _id: { bucket: '$bucket', status: '$status' }, count: { $sum: 1 }, oldest: { $min: '$createdAt' } } }],
              jobs: [byJob, { $group: { _id: null, slowest: top({ meanMs: -1, _id: 1 }), failing: top({ failed: -1, _id: 1 }) } }],
            },
          },
        ],
        isOfAll ? {} : { hint: BY_STATUS_AND_NAMESPACE },
      )
      .toArray()
    const buckets = found?.buckets ?? []
    const jobs = found?.jobs[0]
    return {
      buckets,
      slowest: jobs?.slowest.filter(({ meanMs }) => meanMs !== null) ?? [],
      failing: jobs?.failing.filter(({ failed }) => failed > 0) ?? [],
      seen: buckets.reduce((sum, { count }) => sum + count, 0),
      oldest: oldestOf(buckets),
    }
  }

  /** Of the newest ended attempts that logged something, by when they were dispatched. From the index alone. */
  async logVolume(namespaces: NamespaceFilter, { fromMs, toMs, bucketMs }: Span): Promise<LogVolumes> {
    const namespace = namespaces.namespace ?? { $in: await this.namespaceNames() }
    const range = { namespace, _id: { $gte: { instance: idAt(fromMs) }, $lt: { instance: idAt(toMs) } }, ...HAS_LOG } as unknown as Filter<AttemptDocument>
    const found = await this.attempts
      .aggregate<{ _id: number; lines: number; bytes: number; count: number; oldest: Date }>(
        [
          { $match: range },
          { $sort: { _id: -1 } },
          { $limit: MAX_ATTEMPTS },
          {
            $group: {
              _id: { $floor: { $divide: [{ $toLong: '$dispatchedAt' }, bucketMs] } },
              lines: { $sum: '$logTotals.lines' },
              bytes: { $sum: '$logTotals.bytes' },
              count: { $sum: 1 },
              oldest: { $min: '$dispatchedAt' },
            },
          },
        ],
        { hint: LOG_VOLUME_INDEX },
      )
      .toArray()
    return {
      buckets: found.map(({ _id, lines, bytes }) => ({ bucket: _id, lines, bytes })),
      seen: found.reduce((sum, { count }) => sum + count, 0),
      oldest: oldestOf(found),
    }
  }

  nextFires(namespaces: NamespaceFilter): Promise<Pick<JobDocument, '_id' | 'name' | 'namespace' | 'nextFireAt'>[]> {
    return this.jobs
      .find({ ...namespaces, enabled: true, nextFireAt: { $type: 'date' } }, { projection: { name: 1, namespace: 1, nextFireAt: 1 } })
      .sort({ nextFireAt: 1 })
      .limit(TOP)
      .toArray()
  }

  async logTrouble(nowMs: number): Promise<{ late: number; interrupted: number }> {
    const options = { limit: MAX_LOGS }
    const [late, interrupted] = await Promise.all([
      this.streams.countDocuments({ state: 'open', expectedAt: { $lt: new Date(nowMs - LATE_MS) } }, options),
      this.streams.countDocuments({ state: 'interrupted' }, options),
    ])
    return { late, interrupted }
  }

  private async namespaceNames(): Promise<string[]> {
    return (await this.namespaces.find({}, { projection: { _id: 1 }, limit: MAX_NAMESPACES }).toArray()).map(({ _id }) => _id)
  }
}

const oldestOf = (parts: readonly { oldest: Date }[]): Date | undefined =>
  parts.reduce<Date | undefined>((least, { oldest }) => (least === undefined || oldest < least ? oldest : least), undefined)
