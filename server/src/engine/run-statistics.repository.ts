import { Injectable } from '@nestjs/common'
import type { Filter } from 'mongodb'
import { INSTANCE_STATUSES, type InstanceStatus } from '@jobtrail/protocol/domain/statuses'
import { Mongo } from '../platform/mongo.js'
import type { Reads } from '../platform/reads.js'
import { type AttemptDocument, HAS_LOG, LOG_VOLUME_INDEX } from './attempt-document.js'
import { idAt } from './domain/instance-id.js'
import {
  type BucketCount,
  type JobCount,
  type LogVolumes,
  MAX_ATTEMPTS,
  MAX_RUNS,
  type NamespaceFilter,
  type RunCounts,
  type Span,
} from './domain/run-counts.js'
import { BY_STATUS_AND_NAMESPACE, type InstanceDocument } from './instance-document.js'

const MAX_COUNT = 100_000
const TOP = 8
const FAILURES: InstanceStatus[] = ['FAILED', 'TIMED_OUT']

/** Counts over instances and attempts, for people; writes nothing. */
@Injectable()
export class RunStatisticsRepository {
  private readonly instances: Reads<InstanceDocument>
  private readonly attempts: Reads<AttemptDocument>

  constructor(mongo: Mongo) {
    this.instances = mongo.reads('instances')
    this.attempts = mongo.reads('attempts')
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
  async logVolume(namespaces: Required<NamespaceFilter>, { fromMs, toMs, bucketMs }: Span): Promise<LogVolumes> {
    const { namespace } = namespaces
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
}

const oldestOf = (parts: readonly { oldest: Date }[]): Date | undefined =>
  parts.reduce<Date | undefined>((least, { oldest }) => (least === undefined || oldest < least ? oldest : least), undefined)
