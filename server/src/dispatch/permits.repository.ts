import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { Collection } from 'mongodb'
import { ensureCollection } from '../platform/http/ensure-collection.js'
import { isDuplicateKey, Mongo } from '../platform/mongo.js'

type PermitId = { job: string; slot: number }
const ofJob = (job: string): { _id: { $gte: PermitId; $lte: PermitId } } => ({ _id: { $gte: { job, slot: 0 }, $lte: { job, slot: 2 ** 31 } } })
type PermitDocument = { _id: PermitId; instanceId: string; since: Date }

/**
 * Permits to run: a job with `maxConcurrent` n has n of them, and the unique key makes a second holder of one impossible. A permit that a dead server left
 * behind is taken back by the sweep once its instance has ended.
 */
@Injectable()
export class PermitsRepository implements OnModuleInit {
  private readonly collection: Collection<PermitDocument>

  constructor(private readonly mongo: Mongo) {
    this.collection = mongo.collection<PermitDocument>('permits')
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, {
      name: 'permits',
      fields: { _id: 'object', instanceId: 'string', since: 'date' },
      indexes: [{ key: { instanceId: 1 } }],
    })
  }

  /** True when the instance holds a permit now, also when it held one before. */
  async acquire(jobId: string, instanceId: string, maxConcurrent: number, at: Date): Promise<boolean> {
    const taken = await this.collection.find(ofJob(jobId)).toArray()
    if (taken.some((permit) => permit.instanceId === instanceId)) return true
    const isTaken = new Set(taken.map((permit) => permit._id.slot))
    for (let slot = 0; slot < maxConcurrent; slot++) {
      if (isTaken.has(slot)) continue
      try {
        await this.collection.insertOne({ _id: { job: jobId, slot }, instanceId, since: at })
        return true
      } catch (error) {
        if (!isDuplicateKey(error)) throw error
      }
    }
    return false
  }

  countTaken(jobId: string): Promise<number> {
    return this.collection.countDocuments(ofJob(jobId))
  }

  async release(instanceIds: string[]): Promise<void> {
    await this.collection.deleteMany({ instanceId: { $in: instanceIds } })
  }

  /** Which of these instances hold a permit. */
  heldBy(instanceIds: string[]): Promise<{ _id: string; jobId: string }[]> {
    return this.collection
      .find({ instanceId: { $in: instanceIds } })
      .map(({ _id, instanceId }) => ({ _id: instanceId, jobId: _id.job }))
      .toArray()
  }

  /** Permits held since before `before`, from `after` on, for the sweep. */
  findOld(before: Date, after: PermitId, limit: number): Promise<PermitDocument[]> {
    return this.collection
      .find({ since: { $lt: before }, _id: { $gt: after } })
      .sort({ _id: 1 })
      .limit(limit)
      .toArray()
  }
}
