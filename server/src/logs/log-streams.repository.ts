import { Injectable, type OnModuleInit } from '@nestjs/common'
import { type AnyBulkWriteOperation, Binary, type ClientSession, type Collection, type Filter } from 'mongodb'
import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { isCheckedLog, isClosedLog, LOG_STATES, type LogState } from '@jobtrail/protocol/domain/statuses'
import type { LineRange, StreamTotals } from '@jobtrail/protocol/log/chunk'
import type { LogLoss } from '@jobtrail/protocol/log/losses'
import { ensureCollection } from '../platform/ensure-collection.js'
import { duplicatesOf, Mongo } from '../platform/mongo.js'
import type { Reads } from '../platform/reads.js'
import type { Prefix } from './domain/stream-totals.js'
import { keyOf, type StreamId, streamId } from './log-key.js'

/** No losses are stored as no list. */
type StoredTotals = Omit<StreamTotals, 'digest' | 'losses'> & { digest: Binary; losses?: LogLoss[]; marker?: number }
/**
 * A document of log_streams. A stream has none until something is to be said of it: without one it is open. Totals are there once it is sealed or expired; `prefix` is a
 * watermark (what is certainly stored without a gap from line 0) that only grows; `expected` is what the worker announced at the attempt's end.
 */
type StreamDocument = {
  _id: StreamId
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
  state: LogState
  /** Of a sealed or partial stream its final totals; of an expired one what it had. */
  totals?: StreamTotals
  expiredAt?: Date
  prefix?: Prefix
  expected?: StreamTotals
  gaps?: LineRange[]
  reason?: string
}
export type ExpectedStream = { key: AttemptKey; expected: StreamTotals; expectedAt: Date; progress?: { lines: number; at: Date } }
export type KeyedTotals = { key: AttemptKey; totals: StreamTotals }

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

  constructor(private readonly mongo: Mongo) {
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
      // Sealed streams, which are nearly all, are not in it: sealing an empty stream costs one insert.
      indexes: [{ key: { state: 1, expectedAt: 1 }, name: 'unsealed', partialFilterExpression: { state: { $in: [...UNSEALED] } } }],
    })
  }

  async find(key: AttemptKey): Promise<StreamRecord | undefined> {
    const document = await this.collection.findOne({ _id: streamId(key) })
    return document === null ? undefined : toRecord(document)
  }

  /** Answers in the order given. */
  async findMany(keys: readonly AttemptKey[]): Promise<(StreamRecord | undefined)[]> {
    if (keys.length === 0) return []
    return inOrderOf(keys, await this.collection.find({ _id: { $in: keys.map(streamId) } }).toArray())
  }

  /** As {@link findMany}, for somebody who looks at them. */
  async look(keys: readonly AttemptKey[]): Promise<(StreamRecord | undefined)[]> {
    if (keys.length === 0) return []
    return inOrderOf(keys, await this.reads.find({ _id: { $in: keys.map(streamId) } }).toArray())
  }

  /** Those of the streams that take nothing more, by {@link attemptKeyString}. */
  async closedAmong(keys: readonly AttemptKey[]): Promise<Map<string, LogState>> {
    const distinct = new Map(keys.map((key) => [attemptKeyString(key), key]))
    const closed = await this.collection
      .find({ _id: { $in: [...distinct.values()].map(streamId) }, state: { $in: CLOSED } }, { projection: { state: 1 } })
      .toArray()
    return new Map(closed.map(({ _id, state }) => [attemptKeyString(keyOf(_id)), state]))
  }

  /** Seals streams that are not sealed yet, those with losses as partial; answers for each, in the order given, whether it did. */
  seal(streams: readonly KeyedTotals[]): Promise<boolean[]> {
    const sealedAt = new Date()
    return this.updateUnsealed(
      streams.map(({ key, totals }) => ({
        filter: { _id: streamId(key) },
        update: {
          $set: { state: sealedState(totals), totals: toStored(totals), sealedAt },
          $unset: NOT_OF_CLOSED,
        },
      })),
    )
  }

  /** As {@link seal} for streams that usually have no document yet: one insert each, and an update of those that have. */
  async sealNew(streams: readonly KeyedTotals[]): Promise<void> {
    const sealedAt = new Date()
    try {
      await this.collection.insertMany(
        streams.map(({ key, totals }) => ({ _id: streamId(key), state: sealedState(totals), totals: toStored(totals), sealedAt })),
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
        filter: { _id: streamId(key), expected: { $exists: false } },
        update: { $set: { expected: toStored(totals), expectedAt: at }, $setOnInsert: { state: 'open' as const } },
      })),
    )
  }

  async interrupt(key: AttemptKey, reason: string, gaps: LineRange[]): Promise<boolean> {
    const [done] = await this.updateUnsealed([
      { filter: { _id: streamId(key) }, update: { $set: { state: 'interrupted' as const, reason, gaps, interruptedAt: new Date() } } },
    ])
    return done === true
  }

  /** Moves the watermark forward, never back. */
  async advancePrefix(key: AttemptKey, prefix: Prefix): Promise<void> {
    await this.updateUnsealed([
      {
        filter: { _id: streamId(key), 'prefix.lines': { $not: { $gte: prefix.lines } } },
        update: { $set: { prefix: toStored(prefix) }, $setOnInsert: { state: 'open' as const } },
      },
    ])
  }

  /** Open streams whose totals were announced before `before`, the longest waiting first. */
  async findOverdue(before: Date, limit: number): Promise<ExpectedStream[]> {
    const documents = await this.collection.find({ state: 'open', expectedAt: { $lt: before } }, { sort: { expectedAt: 1 }, limit }).toArray()
    return documents.flatMap(({ _id, expected, expectedAt, progress }) =>
      expected === undefined || expectedAt === undefined
        ? []
        : [{ key: keyOf(_id), expected: fromStored(expected), expectedAt, ...(progress === undefined ? {} : { progress }) }],
    )
  }

  async noteProgress(key: AttemptKey, progress: { lines: number; at: Date }): Promise<void> {
    await this.collection.updateOne({ _id: streamId(key), state: 'open' }, { $set: { progress } })
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
      { _id: { $in: keys.map(streamId) }, state: { $in: CHECKED }, 'totals.lines': { $gt: 0 } },
      { $set: { state: 'expired', expiredAt: at } },
    )
  }

  /** Expires those that were never sealed; `totals`: what was stored of them. */
  async expireUnsealed(streams: readonly KeyedTotals[], at: Date): Promise<void> {
    await this.updateUnsealed(
      streams.map(({ key, totals }) => ({
        filter: { _id: streamId(key) },
        update: { $set: { state: 'expired' as const, totals: toStored(totals), expiredAt: at }, $unset: NOT_OF_CLOSED },
      })),
    )
  }

  async delete(keys: readonly AttemptKey[], session: ClientSession): Promise<void> {
    await this.collection.deleteMany({ _id: { $in: keys.map(streamId) } }, { session })
  }

  /**
   * Upserts that pass over closed streams: those, and documents that the rest of the filter passes over, arrive as duplicate keys of the insert that was tried.
   * So does an upsert that lost a race for a new document: hence the second try. Answers for each whether it changed something.
   */
  private async updateUnsealed(updates: readonly { filter: Filter<StreamDocument>; update: object }[]): Promise<boolean[]> {
    const done = updates.map(() => true)
    let waiting = updates.map((_, i) => i)
    for (let tries = 0; tries < 2 && waiting.length > 0; tries++) {
      const refused = await this.upsertUnsealed(waiting.flatMap((i) => updates[i] ?? []))
      waiting = waiting.filter((_, i) => refused.has(i))
    }
    for (const i of waiting) done[i] = false
    return done
  }

  private async upsertUnsealed(updates: readonly { filter: Filter<StreamDocument>; update: object }[]): Promise<Set<number>> {
    const operations: AnyBulkWriteOperation<StreamDocument>[] = updates.map(({ filter, update }) => ({
      updateMany: { filter: { ...filter, state: { $nin: CLOSED } }, update, upsert: true },
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

function toStored({ chunks, lines, bytes, digest, losses = [], marker }: StreamTotals & Prefix): StoredTotals {
  return {
    chunks,
    lines,
    bytes,
    digest: new Binary(Buffer.from(digest, 'hex')),
    ...(losses.length === 0 ? {} : { losses }),
    ...(marker === undefined ? {} : { marker }),
  }
}

const fromStored = ({ digest, ...sums }: StoredTotals): StreamTotals & Prefix => ({ ...sums, digest: digest.toString('hex') })

function inOrderOf(keys: readonly AttemptKey[], documents: readonly StreamDocument[]): (StreamRecord | undefined)[] {
  const byKey = new Map(documents.map((document) => [attemptKeyString(keyOf(document._id)), toRecord(document)]))
  return keys.map((key) => byKey.get(attemptKeyString(key)))
}

function toRecord({ _id, state, totals, prefix, expected, gaps, reason, expiredAt }: StreamDocument): StreamRecord {
  return {
    key: keyOf(_id),
    state,
    ...(totals === undefined ? {} : { totals: fromStored(totals) }),
    ...(prefix === undefined ? {} : { prefix: fromStored(prefix) }),
    ...(expected === undefined ? {} : { expected: fromStored(expected) }),
    ...(gaps === undefined ? {} : { gaps }),
    ...(reason === undefined ? {} : { reason }),
    ...(expiredAt === undefined ? {} : { expiredAt }),
  }
}
