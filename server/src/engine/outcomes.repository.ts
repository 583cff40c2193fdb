import { Injectable } from '@nestjs/common'
import type { Collection, Document, Filter } from 'mongodb'
import { Mongo } from '../platform/mongo.js'
import { type InstanceDocument, OUTCOMES } from './instance-document.js'
import type { EndedRun } from './ports/outcome-consumers.js'

/** A run that has ended, with what has to follow from that and is not done yet. */
export type PendingRun = EndedRun & { outcomes: string[] }

const FIELDS = { namespace: 1, jobId: 1, jobName: 1, revision: 1, status: 1, attempt: 1, finishedAt: 1, outcomes: 1 } as const
/** As the index says it, so that it can be used. */
const PENDING = { outcomes: { $exists: true }, finishedAt: { $type: 'date' } } as const
const MAX_TIME_MS = 5_000
const COUNT_LIMIT = 10_000

/** Runs in the collection `instances` from whose end something still has to follow. */
@Injectable()
export class OutcomesRepository {
  private readonly collection: Collection<InstanceDocument>

  constructor(mongo: Mongo) {
    this.collection = mongo.collection<InstanceDocument>('instances')
  }

  /** Those of these runs. */
  findAmong(ids: readonly string[]): Promise<PendingRun[]> {
    return this.find({ ...PENDING, _id: { $in: [...ids] } })
  }

  /** Those that ended up to a time, the oldest first. */
  findOld(until: Date, exceptIds: readonly string[], limit: number): Promise<PendingRun[]> {
    const except = exceptIds.length === 0 ? {} : { _id: { $nin: [...exceptIds] } }
    return this.find(
      { outcomes: PENDING.outcomes, finishedAt: { ...PENDING.finishedAt, $lte: until }, ...except },
      { hint: OUTCOMES, limit, sort: { finishedAt: 1 } },
    )
  }

  /** Notes that a kind is done: for the end that was read, so that one that a user has retried since keeps what follows from its next end. */
  async markDone(kind: string, runs: readonly EndedRun[]): Promise<void> {
    if (runs.length === 0) return
    await this.collection.bulkWrite(
      runs.map(({ _id, status, attempt, finishedAt }) => ({
        updateOne: { filter: { _id, status, attempt, finishedAt, outcomes: kind }, update: done(kind) },
      })),
      { ordered: false },
    )
  }

  /** Counted up to a bound. */
  count(): Promise<number> {
    return this.collection.countDocuments(PENDING, { hint: OUTCOMES, limit: COUNT_LIMIT, maxTimeMS: MAX_TIME_MS })
  }

  private find(filter: Filter<InstanceDocument>, options: { hint?: string; limit?: number; sort?: Document } = {}): Promise<PendingRun[]> {
    return this.collection.find<PendingRun>(filter, { projection: FIELDS, maxTimeMS: MAX_TIME_MS, ...options } as const).toArray()
  }
}

/** Out of the pending ones, and with those that a retry brings back. */
function done(kind: string): Document[] {
  const left = { $setDifference: ['$outcomes', [kind]] }
  return [
    {
      $set: {
        outcomes: { $cond: [{ $eq: [left, []] }, '$$REMOVE', left] },
        outcomesDone: { $setUnion: [{ $ifNull: ['$outcomesDone', []] }, [kind]] },
      },
    },
  ]
}
