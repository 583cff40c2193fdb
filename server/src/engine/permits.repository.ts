import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { Collection } from 'mongodb'
import { ensureCollection } from '../platform/ensure-collection.js'
import { duplicatesOf, Mongo } from '../platform/mongo.js'
import { planPermits } from './domain/plan-permits.js'

export type PermitId = { job: string; slot: number }
/** Of an attempt of the instance. Permits of former versions name no attempt: they are older than any. */
export type PermitDocument = { _id: PermitId; instanceId: string; attempt?: number; since: Date }
/** One that wants a permit for its next attempt. */
export type PermitWish = { instanceId: string; attempt: number; maxConcurrent: number }

const ofJob = (job: string): { _id: { $gte: PermitId; $lte: PermitId } } => ({ _id: { $gte: { job, slot: 0 }, $lte: { job, slot: 2 ** 31 } } })
/** Another server takes a permit between our look and our write: then it is looked at again, this often. */
const ROUNDS = 8
/** A permit that an instance holds already is renewed when it is older than this, so that the sweep does not take it for one left behind. */
const RENEW_MS = 10_000

/**
 * Permits to run: a job with `maxConcurrent` n has n of them, and the unique key makes a second holder of one impossible. An attempt has one from shortly before it is made
 * until it has ended: an instance that waits, for whatever reason, has none. The sweep takes back what a dead server left behind.
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
      optional: { attempt: 'number' },
      indexes: [{ key: { instanceId: 1 } }],
    })
  }

  /** Gives permits to instances of a job in their order, as far as there are any; the number of those, from the first, that have one. */
  async acquire(jobId: string, wishes: readonly PermitWish[], at: Date): Promise<number> {
    const renewBefore = new Date(at.getTime() - RENEW_MS)
    let granted = 0
    for (let round = 0; round < ROUNDS; round++) {
      const plan = planPermits(await this.collection.find(ofJob(jobId)).toArray(), wishes, renewBefore)
      granted = plan.granted
      const isRenewed = await Promise.all(plan.renew.map((permit) => this.renew(permit, at)))
      const inserts = plan.take.map(({ slot, wish }) => ({ _id: { job: jobId, slot }, instanceId: wish.instanceId, attempt: wish.attempt, since: at }))
      const taken = inserts.length === 0 ? new Set<number>() : await this.insert(inserts)
      await this.dropSurplus(
        jobId,
        inserts.map(({ instanceId }) => instanceId),
      )
      if (taken.size === 0 && isRenewed.every(Boolean)) return granted
    }
    // Many servers at once: what is not certain counts as not granted, and a permit that was got all the same is used by the next try.
    return 0
  }

  /** Takes the permits of these attempts back, and those of earlier attempts, but not what a later attempt has got since. */
  async release(attempts: readonly { instanceId: string; attempt: number }[]): Promise<void> {
    if (attempts.length > 0)
      await this.collection.deleteMany({ $or: attempts.map(({ instanceId, attempt }) => ({ instanceId, attempt: { $not: { $gt: attempt } } })) })
  }

  countTaken(jobId: string): Promise<number> {
    return this.collection.countDocuments(ofJob(jobId))
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

  /** Takes back what was left behind, unless it was renewed since it was read. */
  async takeBack(permits: readonly PermitDocument[]): Promise<void> {
    if (permits.length > 0) await this.collection.deleteMany({ $or: permits.map(({ _id, instanceId, since }) => ({ _id, instanceId, since })) })
  }

  private async renew({ permit, attempt }: { permit: PermitDocument; attempt: number }, at: Date): Promise<boolean> {
    const { _id, instanceId, since } = permit
    const { matchedCount } = await this.collection.updateOne({ _id, instanceId, since }, { $set: { attempt, since: at } })
    return matchedCount === 1
  }

  private async insert(documents: PermitDocument[]): Promise<Set<number>> {
    try {
      await this.collection.insertMany(documents, { ordered: false })
      return new Set()
    } catch (error) {
      return duplicatesOf(error)
    }
  }

  /** Two servers may have given an instance a permit each: both drop the same one. */
  private async dropSurplus(jobId: string, instanceIds: readonly string[]): Promise<void> {
    if (instanceIds.length === 0) return
    const permits = await this.collection
      .find({ ...ofJob(jobId), instanceId: { $in: [...instanceIds] } })
      .sort({ _id: 1 })
      .toArray()
    const seen = new Set<string>()
    const surplus = permits.filter(({ instanceId }) => seen.size === seen.add(instanceId).size)
    await this.takeBack(surplus)
  }
}
