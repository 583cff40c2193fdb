import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { Collection, Filter } from 'mongodb'
import { ensureCollection } from '../platform/ensure-collection.js'
import { duplicatesOf, Mongo } from '../platform/mongo.js'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { holderOf, type PermitHolder, type PermitWish, planPermits } from './domain/plan-permits.js'
import { isEmbedded, type TaskKey, taskKeyString } from './domain/task-key.js'

export type PermitId = { job: string; slot: number }
/** Of an attempt at the task. Permits of former versions name no attempt: they are older than any. */
export type PermitDocument = PermitHolder & { _id: PermitId; attempt?: number; since: Date }

/** The task of a permit, as stored. A filter by it also has to leave out permits of other tasks: {@link heldByTask}. */
const holder = ({ instanceId, task }: TaskKey): PermitHolder => (isEmbedded({ task }) ? { instanceId } : { instanceId, task })
const heldByTask = ({ instanceId, task }: TaskKey): Filter<PermitDocument> => ({ instanceId, task: isEmbedded({ task }) ? { $exists: false } : task })

const ofJob = (job: string): { _id: { $gte: PermitId; $lte: PermitId } } => ({ _id: { $gte: { job, slot: 0 }, $lte: { job, slot: 2 ** 31 } } })
/** Another server takes a permit between our look and our write: then it is looked at again, this often. */
const ROUNDS = 8
/** A permit that a task holds already is renewed when it is older than this, so that the sweep does not take it for one left behind. */
const RENEW_MS = 10_000

/**
 * Permits to run: a job with `maxConcurrent` n has n of them, and the unique key makes a second holder of one impossible. An attempt has one from shortly before it is made
 * until it has ended: a task that waits, for whatever reason, has none. The sweep takes back what a dead server left behind.
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
      optional: { task: 'number', attempt: 'number' },
      indexes: [{ key: { instanceId: 1 } }],
    })
  }

  /** Gives permits to tasks of a job in their order, as far as there are any; the number of those, from the first, that have one. */
  async acquire(jobId: string, wishes: readonly PermitWish[], at: Date): Promise<number> {
    const renewBefore = new Date(at.getTime() - RENEW_MS)
    let granted = 0
    for (let round = 0; round < ROUNDS; round++) {
      const plan = planPermits(await this.collection.find(ofJob(jobId)).toArray(), wishes, renewBefore)
      granted = plan.granted
      const isRenewed = await Promise.all(plan.renew.map((permit) => this.renew(permit, at)))
      const inserts = plan.take.map(({ slot, wish }) => ({ _id: { job: jobId, slot }, ...holder(wish.key), attempt: wish.key.attempt, since: at }))
      const taken = inserts.length === 0 ? new Set<number>() : await this.insert(inserts)
      await this.dropSurplus(
        jobId,
        plan.take.map(({ wish }) => wish.key),
      )
      if (taken.size === 0 && isRenewed.every(Boolean)) return granted
    }
    // Many servers at once: what is not certain counts as not granted, and a permit that was got all the same is used by the next try.
    return 0
  }

  /** Takes the permits of these attempts back, and those of earlier attempts, but not what a later attempt has got since. */
  async release(attempts: readonly AttemptKey[]): Promise<void> {
    if (attempts.length > 0) await this.collection.deleteMany({ $or: attempts.map((key) => ({ ...heldByTask(key), attempt: { $not: { $gt: key.attempt } } })) })
  }

  countTaken(jobId: string): Promise<number> {
    return this.collection.countDocuments(ofJob(jobId))
  }

  /** Those of these attempts whose task holds a permit, and of which job. */
  async heldBy(attempts: readonly AttemptKey[]): Promise<{ key: AttemptKey; jobId: string }[]> {
    const keys = new Map(attempts.map((key) => [taskKeyString(key), key]))
    const found = await this.collection.find({ instanceId: { $in: attempts.map(({ instanceId }) => instanceId) } }).toArray()
    return found.flatMap((permit) => {
      const key = keys.get(taskKeyString(holderOf(permit)))
      return key === undefined ? [] : [{ key, jobId: permit._id.job }]
    })
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
    if (permits.length > 0)
      await this.collection.deleteMany({ $or: permits.map((permit) => ({ ...heldByTask(holderOf(permit)), _id: permit._id, since: permit.since })) })
  }

  private async renew({ permit, attempt }: { permit: PermitDocument; attempt: number }, at: Date): Promise<boolean> {
    const { _id, since } = permit
    const { matchedCount } = await this.collection.updateOne({ ...heldByTask(holderOf(permit)), _id, since }, { $set: { attempt, since: at } })
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

  /** Two servers may have given a task a permit each: both drop the same one. */
  private async dropSurplus(jobId: string, tasks: readonly TaskKey[]): Promise<void> {
    if (tasks.length === 0) return
    const permits = await this.collection
      .find({ ...ofJob(jobId), instanceId: { $in: tasks.map(({ instanceId }) => instanceId) } })
      .sort({ _id: 1 })
      .toArray()
    const seen = new Set<string>()
    const surplus = permits.filter((permit) => seen.size === seen.add(taskKeyString(holderOf(permit))).size)
    await this.takeBack(surplus)
  }
}
