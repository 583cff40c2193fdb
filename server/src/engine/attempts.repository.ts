import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { ClientSession, Collection, Filter } from 'mongodb'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { ATTEMPT_STATUSES, LEASED_ATTEMPT_STATUSES } from '@jobtrail/protocol/domain/statuses'
import { ensureCollection } from '../platform/ensure-collection.js'
import { duplicatesOf, Mongo, storedBeside } from '../platform/mongo.js'
import type { Reads } from '../platform/reads.js'
import { type Change, updateAlike } from '../platform/update-alike.js'
import { type AttemptDocument, type AttemptEnding, type AttemptId, attemptId, HAS_LOG, LOG_VOLUME_INDEX, type WorkerProcess } from './attempt-document.js'

const ATTEMPTS_LOOKED_AT = 50
const leased = { $in: [...LEASED_ATTEMPT_STATUSES] }

/** {@link isHeldBy} of attempts that have not ended, as a filter. */
const heldBy = ({ id, incarnation, since }: WorkerProcess): Filter<AttemptDocument> => ({
  workerId: id,
  status: leased,
  $or: [{ incarnation }, { incarnation: { $exists: false } }, { dispatchedAt: { $lt: since } }],
})

@Injectable()
export class AttemptsRepository implements OnModuleInit {
  private readonly collection: Collection<AttemptDocument>
  private readonly reads: Reads<AttemptDocument>

  constructor(private readonly mongo: Mongo) {
    this.collection = mongo.collection<AttemptDocument>('attempts')
    this.reads = mongo.reads<AttemptDocument>('attempts')
  }

  async onModuleInit(): Promise<void> {
    const whileLeased = { partialFilterExpression: { status: leased } }
    await ensureCollection(this.mongo.db, {
      name: 'attempts',
      fields: { _id: 'object', workerId: 'string', status: { enum: [...ATTEMPT_STATUSES] }, leaseExpiresAt: ['date', 'null'] },
      indexes: [
        { key: { leaseExpiresAt: 1 }, ...whileLeased },
        { key: { workerId: 1 }, ...whileLeased },
        {
          key: { namespace: 1, _id: -1, dispatchedAt: 1, 'logTotals.lines': 1, 'logTotals.bytes': 1 },
          name: LOG_VOLUME_INDEX,
          partialFilterExpression: HAS_LOG,
        },
      ],
    })
  }

  /**
   * Makes the attempts: the unique key decides between servers. Indexes of those that another placed already. When one cannot be stored none is made, so that the others may be
   * tried again: they would pass for another server's.
   */
  async insertMany(documents: AttemptDocument[]): Promise<Set<number>> {
    try {
      await this.collection.insertMany(documents, { ordered: false })
      return new Set()
    } catch (error) {
      return await this.onlyDuplicates(error, documents)
    }
  }

  private async onlyDuplicates(error: unknown, documents: readonly AttemptDocument[]): Promise<Set<number>> {
    try {
      return duplicatesOf(error)
    } catch (other) {
      const stored = storedBeside(other, documents)
      if (stored.length > 0) await this.deleteUnsent(stored.map(({ _id }) => _id))
      throw other
    }
  }

  /** Takes attempts back that no worker was given. */
  async deleteUnsent(ids: AttemptId[]): Promise<void> {
    await this.collection.deleteMany({ _id: { $in: ids }, status: 'DISPATCHED' })
  }

  findMany(ids: AttemptId[]): Promise<AttemptDocument[]> {
    return this.collection.find({ _id: { $in: ids } }).toArray()
  }

  /** The instances of those whose lease a worker holds. */
  async leasedAmong(ids: AttemptId[]): Promise<Set<string>> {
    const found = await this.collection.find({ _id: { $in: ids }, status: leased }, { projection: { _id: 1 } }).toArray()
    return new Set(found.map(({ _id }) => _id.instance))
  }

  /** All attempts of an instance, in order. A range on the compound key: field order matters. */
  findByInstance(instanceId: string): Promise<AttemptDocument[]> {
    const low = { instance: instanceId, task: 0, attempt: 0 }
    const high = { instance: instanceId, task: 2 ** 31, attempt: 2 ** 31 }
    return this.reads
      .find({ _id: { $gte: low, $lte: high } })
      .sort({ _id: 1 })
      .limit(10_000)
      .toArray()
  }

  /** In the transaction that removes their instances. Keys of which there is nothing do no harm. */
  async delete(keys: readonly AttemptKey[], session: ClientSession): Promise<void> {
    await this.collection.deleteMany({ _id: { $in: keys.map(attemptId) } }, { session })
  }

  /** Those of the instances that have an attempt which the worker was given, among the last attempts of each. By keys: it costs the same however many attempts are stored. */
  async givenTo(workerId: string, instances: readonly { _id: string; attempt: number }[]): Promise<Set<string>> {
    const ids = instances.flatMap(({ _id: instanceId, attempt: latest }) =>
      Array.from({ length: Math.min(latest, ATTEMPTS_LOOKED_AT) }, (_, i) => attemptId({ instanceId, task: 0, attempt: latest - i })),
    )
    if (ids.length === 0) return new Set()
    const found = await this.reads.find({ _id: { $in: ids }, workerId }, { projection: { _id: 1 } }).toArray()
    return new Set(found.map(({ _id }) => _id.instance))
  }

  /** Attempts whose lease a worker holds. */
  findLeasedBy(workerId: string): Promise<AttemptDocument[]> {
    return this.collection.find({ workerId, status: leased }, { projection: { result: 0 } }).toArray()
  }

  findExpired(before: Date, limit: number): Promise<AttemptDocument[]> {
    return this.collection
      .find({ status: leased, leaseExpiresAt: { $lt: before } })
      .limit(limit)
      .toArray()
  }

  /** A renewal that was held up on its way never shortens a lease that was renewed since. */
  async renew(ids: AttemptId[], workerId: string, leaseExpiresAt: Date): Promise<void> {
    if (ids.length > 0) await this.collection.updateMany({ _id: { $in: ids }, workerId, status: leased }, { $max: { leaseExpiresAt } })
  }

  /** Starts of attempts that are still this worker's; the number that matched. */
  async markRunning(starts: { id: AttemptId; process: WorkerProcess; startedAt: Date }[]): Promise<number> {
    const { matchedCount } = await this.bulk(
      starts.map(({ id, process, startedAt }) => ({ id, filter: heldBy(process), update: { $set: { status: 'RUNNING', startedAt } } })),
    )
    return matchedCount
  }

  /** Ends of attempts that are still this worker's; the number that matched. */
  async finish(ends: { id: AttemptId; process: WorkerProcess; ending: AttemptEnding }[]): Promise<number> {
    const { matchedCount } = await this.bulk(
      ends.map(({ id, process, ending }) => ({ id, filter: heldBy(process), update: { $set: { ...ending, leaseExpiresAt: null } } })),
    )
    return matchedCount
  }

  /**
   * LOST, unless it has ended or (given `leaseBefore`) its lease was renewed meanwhile; the attempt as it is then, null when this call did not change it. One that `hasStarted`
   * without having said so counts as started when it was dispatched.
   */
  markLost(
    id: AttemptId,
    workerId: string,
    {
      at,
      error,
      leaseBefore,
      hasStarted,
      mayHaveStarted,
    }: { at: Date; error: string; leaseBefore?: Date | undefined; hasStarted: boolean; mayHaveStarted: boolean },
  ): Promise<AttemptDocument | null> {
    const start = {
      ...(hasStarted ? { startedAt: { $ifNull: ['$startedAt', '$dispatchedAt'] } } : {}),
      ...(mayHaveStarted ? { mayHaveStarted: true } : {}),
    }
    return this.collection.findOneAndUpdate(
      { _id: id, workerId, status: leased, ...(leaseBefore === undefined ? {} : { leaseExpiresAt: { $lt: leaseBefore } }) },
      [{ $set: { status: 'LOST', finishedAt: at, leaseExpiresAt: null, error: { $literal: error }, ...start } }],
      { returnDocument: 'after' },
    )
  }

  /** It turned out that a lost attempt had started. */
  markLostStarted(id: AttemptId): Promise<AttemptDocument | null> {
    return this.collection.findOneAndUpdate({ _id: id, status: 'LOST', startedAt: null }, [{ $set: { startedAt: '$dispatchedAt' } }], {
      returnDocument: 'after',
    })
  }

  async requestCancel(instanceId: string, attempt: number, at: Date): Promise<AttemptDocument | null> {
    return this.collection.findOneAndUpdate(
      { _id: { instance: instanceId, task: 0, attempt }, status: leased },
      { $set: { cancelRequestedAt: at } },
      { returnDocument: 'after' },
    )
  }

  async setProgress(updates: { id: AttemptId; progress: NonNullable<AttemptDocument['progress']> }[], process: WorkerProcess): Promise<void> {
    await this.bulk(updates.map(({ id, progress }) => ({ id, filter: heldBy(process), update: { $set: { progress } } })))
  }

  private async bulk(changes: Change<AttemptDocument>[]): Promise<{ matchedCount: number }> {
    if (changes.length === 0) return { matchedCount: 0 }
    return this.collection.bulkWrite(updateAlike(changes), { ordered: false })
  }
}
