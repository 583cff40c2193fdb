import { Injectable, type OnModuleInit } from '@nestjs/common'
import { type AnyBulkWriteOperation, Binary, type ClientSession, type Collection, type Filter } from 'mongodb'
import { type AttemptKey, attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { isCheckedLog, isClosedLog, LOG_STATES, type LogState } from '@jobtrail/shared/domain/statuses'
import type { LineRange, StreamTotals } from '@jobtrail/shared/log/chunk'
import { genesisDigest } from '@jobtrail/shared/log/codec'
import type { LogLoss } from '@jobtrail/shared/log/losses'
import type { LogOwner, OwnedAttempt } from '../engine/ports/attempt-logs.js'
import { ensureCollection } from '../platform/ensure-collection.js'
import { duplicatesOf, Mongo } from '../platform/mongo.js'
import type { Reads } from '../platform/reads.js'
import type { LineTimes, Prefix } from './domain/stream-totals.js'
import { LogIds } from './ids/log-ids.js'
import { keyOf, type StreamId } from './log-key.js'
import { LOG_LOCATIONS, type LogLocation } from './log-ref.js'

/** No losses are stored as no list, and no digest where there are no lines and only versions read it that know that it follows from the key. The times of the first and the last line are absent where there is none, and in what former versions wrote. */
type StoredTotals = Omit<StreamTotals, 'digest' | 'losses'> & { digest?: Binary; losses?: LogLoss[]; marker?: number; firstAt?: Date; lastAt?: Date }
/**
 * A document of log_streams. A stream has none until something is to be said of it: without one it is open. Totals are there once it is sealed or expired; `prefix` is a
 * watermark (what is certainly stored without a gap from line 0) that only grows; `expected` is what the worker announced at the attempt's end.
 */
type StreamDocument = {
  _id: StreamId
  /** Absent, like `jobId`, in what former versions wrote, until {@link LogOwnersBackfill} has come by. */
  namespace?: string
  jobId?: string
  /** Absent: in log_chunks. */
  location?: LogLocation
  state: LogState
  totals?: StoredTotals
  prefix?: StoredTotals
  expected?: StoredTotals
  expectedAt?: Date
  /** What the sweep found stored of an expected stream, and when it first found just that. */
  progress?: { lines: number; at: Date }
  gaps?: LineRange[]
  reason?: string
  interruptedAt?: Date
  sealedAt?: Date
  expiredAt?: Date
}

/** What is known of a stream without looking at its chunks. */
export type StreamRecord = {
  key: AttemptKey
  owner?: LogOwner
  location: LogLocation
  state: LogState
  /** Of a sealed or partial stream its final totals; of an expired one what it had. */
  totals?: StreamTotals
  expiredAt?: Date
  prefix?: Prefix
  expected?: StreamTotals
  gaps?: LineRange[]
  reason?: string
}
export type ExpectedStream = { key: AttemptKey; owner?: LogOwner; expected: StreamTotals; expectedAt: Date; progress?: { lines: number; at: Date } }
export type KeyedTotals = { key: OwnedAttempt; totals: StreamTotals & LineTimes }
/** A change of a stream that is not closed. `filter`: what else has to be so. */
type Change = {
  key: OwnedAttempt
  filter?: Filter<StreamDocument>
  set: Partial<StreamDocument>
  setOnInsert?: Partial<StreamDocument>
  unset?: typeof NOT_OF_CLOSED
}

/** What the backfill asks of a record. `lines`: of a closed stream. */
export type IncompleteRecord = { id: StreamId; key: AttemptKey; owner?: LogOwner; state: LogState; lines: number; hasTimes: boolean }
export type Completed = { ref: OwnedAttempt; times: LineTimes }

/** Counting goes no further: the gauge is to say "many", not to cost. */
const COUNT_LIMIT = 100_000
const MAX_TROUBLE = 10_000
const UNSEALED = ['open', 'interrupted'] as const satisfies readonly LogState[]
const CLOSED = LOG_STATES.filter(isClosedLog)
const CHECKED = LOG_STATES.filter(isCheckedLog)

/** Collection log_streams. Every change leaves a sealed stream as it is, until it expires. */
@Injectable()
export class LogStreamsRepository implements OnModuleInit {
  private readonly collection: Collection<StreamDocument>
  private readonly reads: Reads<StreamDocument>

  constructor(
    private readonly mongo: Mongo,
    private readonly ids: LogIds,
  ) {
    this.collection = mongo.collection<StreamDocument>('log_streams')
    this.reads = mongo.reads<StreamDocument>('log_streams')
  }

  /** For people, up to a bound: streams whose end was announced before `expectedBefore` and that are not sealed, and interrupted ones. */
  async countTrouble(expectedBefore: Date): Promise<{ late: number; interrupted: number }> {
    const options = { limit: MAX_TROUBLE }
    const [late, interrupted] = await Promise.all([
      this.reads.countDocuments({ state: 'open', expectedAt: { $lt: expectedBefore } }, options),
      this.reads.countDocuments({ state: 'interrupted' }, options),
    ])
    return { late, interrupted }
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, {
      name: 'log_streams',
      fields: { _id: 'object', state: 'string' },
      optional: { namespace: 'string', jobId: 'string', location: { enum: [...LOG_LOCATIONS] } },
      // Sealed streams, which are nearly all, are not in it: sealing an empty stream costs one insert.
      indexes: [{ key: { state: 1, expectedAt: 1 }, name: 'unsealed', partialFilterExpression: { state: { $in: [...UNSEALED] } } }],
    })
  }

  async find(key: AttemptKey): Promise<StreamRecord | undefined> {
    const document = await this.collection.findOne({ _id: this.ids.stream(key) })
    return document === null ? undefined : toRecord(document)
  }

  /** Answers in the order given. */
  async findMany(keys: readonly AttemptKey[]): Promise<(StreamRecord | undefined)[]> {
    if (keys.length === 0) return []
    return inOrderOf(keys, await this.collection.find({ _id: { $in: keys.map((key) => this.ids.stream(key)) } }).toArray())
  }

  /** As {@link findMany}, for somebody who looks at them. */
  async look(keys: readonly AttemptKey[]): Promise<(StreamRecord | undefined)[]> {
    if (keys.length === 0) return []
    return inOrderOf(keys, await this.reads.find({ _id: { $in: keys.map((key) => this.ids.stream(key)) } }).toArray())
  }

  /** Those of the streams that take nothing more, by {@link attemptKeyString}. */
  async closedAmong(keys: readonly AttemptKey[]): Promise<Map<string, LogState>> {
    const distinct = new Map(keys.map((key) => [attemptKeyString(key), key]))
    const closed = await this.collection
      .find({ _id: { $in: [...distinct.values()].map((key) => this.ids.stream(key)) }, state: { $in: CLOSED } }, { projection: { state: 1 } })
      .toArray()
    return new Map(closed.map(({ _id, state }) => [attemptKeyString(keyOf(_id)), state]))
  }

  /** Seals streams that are not sealed yet, those with losses as partial; answers for each, in the order given, whether it did. */
  seal(streams: readonly KeyedTotals[]): Promise<boolean[]> {
    const sealedAt = new Date()
    return this.updateUnsealed(
      streams.map(({ key, totals }) => ({ key, set: { state: sealedState(totals), totals: this.toStored(key, totals), sealedAt }, unset: NOT_OF_CLOSED })),
    )
  }

  /** As {@link seal} for streams that usually have no document yet: one insert each, and an update of those that have. */
  async sealNew(streams: readonly KeyedTotals[]): Promise<void> {
    const sealedAt = new Date()
    try {
      await this.collection.insertMany(
        streams.map(({ key, totals }) => ({ _id: this.ids.stream(key), ...ownerOf(key), state: sealedState(totals), totals: this.toStored(key, totals), sealedAt })),
        { ordered: false },
      )
    } catch (error) {
      const duplicates = duplicatesOf(error)
      await this.seal(streams.filter((_, i) => duplicates.has(i)))
    }
  }

  /** Notes totals that a worker announced, unless some were noted before. */
  async expect(streams: readonly KeyedTotals[], at: Date): Promise<void> {
    await this.updateUnsealed(
      streams.map(({ key, totals }) => ({
        key,
        filter: { expected: { $exists: false } },
        set: { expected: this.toStored(key, totals), expectedAt: at },
        setOnInsert: { state: 'open' },
      })),
    )
  }

  async interrupt(key: OwnedAttempt, reason: string, gaps: LineRange[]): Promise<boolean> {
    const [done] = await this.updateUnsealed([{ key, set: { state: 'interrupted', reason, gaps, interruptedAt: new Date() } }])
    return done === true
  }

  /** Nobody can ask for these any more: their runs were removed. They are not looked at again. */
  async abandon(keys: readonly AttemptKey[]): Promise<void> {
    if (keys.length === 0) return
    await this.collection.updateMany(
      { _id: { $in: keys.map((key) => this.ids.stream(key)) }, state: 'open' },
      { $set: { state: 'interrupted', reason: 'Its run was removed', gaps: [], interruptedAt: new Date() } },
    )
  }

  /** Moves the watermark forward, never back. */
  async advancePrefix(key: OwnedAttempt, prefix: Prefix): Promise<void> {
    await this.updateUnsealed([
      {
        key,
        filter: { 'prefix.lines': { $not: { $gte: prefix.lines } } },
        set: { prefix: this.toStored(key, prefix) },
        setOnInsert: { state: 'open' },
      },
    ])
  }

  /** Open streams whose totals were announced before `before`, the longest waiting first. */
  async findOverdue(before: Date, limit: number): Promise<ExpectedStream[]> {
    const documents = await this.collection.find({ state: 'open', expectedAt: { $lt: before } }, { sort: { expectedAt: 1 }, limit }).toArray()
    return documents.flatMap((document) => {
      const { _id, expected, expectedAt, progress } = document
      if (expected === undefined || expectedAt === undefined) return []
      return { key: keyOf(_id), ...ownerIn(document), expected: fromStored(_id, expected), expectedAt, ...(progress === undefined ? {} : { progress }) }
    })
  }

  async noteProgress(key: AttemptKey, progress: { lines: number; at: Date }): Promise<void> {
    await this.collection.updateOne({ _id: this.ids.stream(key), state: 'open' }, { $set: { progress } })
  }

  /** Open ones count once their totals were announced: those of running attempts are open as they should be. */
  async countUnsealed(): Promise<Record<(typeof UNSEALED)[number], number>> {
    const [open, interrupted] = await Promise.all([
      this.collection.countDocuments({ state: 'open', expectedAt: { $type: 'date' } }, { limit: COUNT_LIMIT }),
      this.collection.countDocuments({ state: 'interrupted' }, { limit: COUNT_LIMIT }),
    ])
    return { open, interrupted }
  }

  /** Expires those that are sealed or partial and have lines: their totals stay. */
  async expireSealed(keys: readonly AttemptKey[], at: Date): Promise<void> {
    await this.collection.updateMany(
      { _id: { $in: keys.map((key) => this.ids.stream(key)) }, state: { $in: CHECKED }, 'totals.lines': { $gt: 0 } },
      { $set: { state: 'expired', expiredAt: at } },
    )
  }

  /** Expires those that were never sealed; `totals`: what was stored of them. */
  async expireUnsealed(streams: readonly KeyedTotals[], at: Date): Promise<void> {
    await this.updateUnsealed(
      streams.map(({ key, totals }) => ({ key, set: { state: 'expired', totals: this.toStored(key, totals), expiredAt: at }, unset: NOT_OF_CLOSED })),
    )
  }

  /** Records in the order of their keys, for the backfill. */
  async pageAfter(after: StreamId | null, limit: number): Promise<IncompleteRecord[]> {
    const projection = { namespace: 1, jobId: 1, state: 1, 'totals.lines': 1, 'totals.firstAt': 1 }
    const documents = await this.collection
      .find(after === null ? {} : { _id: { $gt: after } }, { projection, sort: { _id: 1 }, limit, batchSize: limit })
      .toArray()
    return documents.map((document) => {
      const { _id, state, totals } = document
      return { id: _id, key: keyOf(_id), ...ownerIn(document), state, lines: totals?.lines ?? 0, hasTimes: totals?.firstAt !== undefined }
    })
  }

  /** Adds what former versions did not write. */
  async complete(records: readonly Completed[]): Promise<void> {
    const operations: AnyBulkWriteOperation<StreamDocument>[] = records.flatMap(({ ref, times: { firstAt, lastAt } }) => {
      const _id = this.ids.stream(ref)
      const owner = { updateOne: { filter: { _id }, update: { $set: ownerOf(ref) } } }
      if (firstAt === undefined || lastAt === undefined) return owner
      const times = { 'totals.firstAt': new Date(firstAt), 'totals.lastAt': new Date(lastAt) }
      return [owner, { updateOne: { filter: { _id, 'totals.lines': { $gt: 0 } }, update: { $set: times } } }]
    })
    if (operations.length > 0) await this.collection.bulkWrite(operations, { ordered: false })
  }

  async delete(keys: readonly AttemptKey[], session: ClientSession): Promise<void> {
    await this.collection.deleteMany({ _id: { $in: keys.map((key) => this.ids.stream(key)) } }, { session })
  }

  private toStored(key: OwnedAttempt, totals: StreamTotals & Prefix): StoredTotals {
    const { digest, ...sums } = totals
    return toStored(totals.lines === 0 && this.ids.isBinary(key.instanceId) && digest === genesisDigest(key) ? sums : totals)
  }

  /**
   * Upserts that pass over closed streams: those, and documents that the rest of the filter passes over, arrive as duplicate keys of the insert that was tried.
   * So does an upsert that lost a race for a new document: hence the second try. Answers for each whether it changed something.
   */
  private async updateUnsealed(changes: readonly Change[]): Promise<boolean[]> {
    const done = changes.map(() => true)
    let waiting = changes.map((_, i) => i)
    for (let tries = 0; tries < 2 && waiting.length > 0; tries++) {
      const refused = await this.upsertUnsealed(waiting.flatMap((i) => changes[i] ?? []))
      waiting = waiting.filter((_, i) => refused.has(i))
    }
    for (const i of waiting) done[i] = false
    return done
  }

  private async upsertUnsealed(changes: readonly Change[]): Promise<Set<number>> {
    const operations: AnyBulkWriteOperation<StreamDocument>[] = changes.map(({ key, filter, set, setOnInsert, unset }) => ({
      updateMany: {
        filter: { ...filter, _id: this.ids.stream(key), state: { $nin: CLOSED } },
        update: {
          $set: { ...ownerOf(key), ...set },
          ...(setOnInsert === undefined ? {} : { $setOnInsert: setOnInsert }),
          ...(unset === undefined ? {} : { $unset: unset }),
        },
        upsert: true,
      },
    }))
    try {
      await this.collection.bulkWrite(operations, { ordered: false })
      return new Set()
    } catch (error) {
      return duplicatesOf(error)
    }
  }
}

const NOT_OF_CLOSED = { prefix: '', expected: '', expectedAt: '', progress: '', gaps: '', reason: '' } as const

const sealedState = ({ losses = [] }: StreamTotals): LogState => (losses.length === 0 ? 'sealed' : 'partial')

const ownerOf = ({ namespace, jobId }: LogOwner): LogOwner => ({ namespace, jobId })

function ownerIn({ namespace, jobId }: StreamDocument): { owner?: LogOwner } {
  return namespace === undefined || jobId === undefined ? {} : { owner: { namespace, jobId } }
}

function toStored({ chunks, lines, bytes, digest, losses = [], marker, firstAt, lastAt }: Omit<StreamTotals & Prefix, 'digest'> & { digest?: string }): StoredTotals {
  return {
    chunks,
    lines,
    bytes,
    ...(digest === undefined ? {} : { digest: new Binary(Buffer.from(digest, 'hex')) }),
    ...(losses.length === 0 ? {} : { losses }),
    ...(marker === undefined ? {} : { marker }),
    ...(firstAt === undefined ? {} : { firstAt: new Date(firstAt) }),
    ...(lastAt === undefined ? {} : { lastAt: new Date(lastAt) }),
  }
}

const fromStored = (id: StreamId, { digest, firstAt, lastAt, ...sums }: StoredTotals): StreamTotals & Prefix => ({
  ...sums,
  digest: digest === undefined ? genesisDigest(keyOf(id)) : digest.toString('hex'),
  ...(firstAt === undefined ? {} : { firstAt: firstAt.getTime() }),
  ...(lastAt === undefined ? {} : { lastAt: lastAt.getTime() }),
})

function inOrderOf(keys: readonly AttemptKey[], documents: readonly StreamDocument[]): (StreamRecord | undefined)[] {
  const byKey = new Map(documents.map((document) => [attemptKeyString(keyOf(document._id)), toRecord(document)]))
  return keys.map((key) => byKey.get(attemptKeyString(key)))
}

function toRecord(document: StreamDocument): StreamRecord {
  const { _id, location = 'chunks', state, totals, prefix, expected, gaps, reason, expiredAt } = document
  return {
    key: keyOf(_id),
    ...ownerIn(document),
    location,
    state,
    ...(totals === undefined ? {} : { totals: fromStored(_id, totals) }),
    // A watermark of a former version does not say when its lines were written: they are looked through once more.
    ...(prefix?.firstAt === undefined ? {} : { prefix: fromStored(_id, prefix) }),
    ...(expected === undefined ? {} : { expected: fromStored(_id, expected) }),
    ...(gaps === undefined ? {} : { gaps }),
    ...(reason === undefined ? {} : { reason }),
    ...(expiredAt === undefined ? {} : { expiredAt }),
  }
}
