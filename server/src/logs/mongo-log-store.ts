import { Binary, type Collection, type Filter, MongoBulkWriteError } from 'mongodb'
import { Injectable, type OnModuleInit } from '@nestjs/common'
import { type AttemptKey, attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import type { ChunkHeader } from '@jobtrail/shared/log/chunk'
import { ensureCollection } from '../platform/ensure-collection.js'
import { Metrics } from '../platform/metrics.js'
import { Mongo } from '../platform/mongo.js'
import { Reads } from '../platform/reads.js'
import { LogIds } from './ids/log-ids.js'
import { type ChunkId, keyOf } from './log-key.js'
import type { LogRef } from './log-ref.js'
import {
  type CheckedChunk,
  type ChunkPosition,
  type ChunkRead,
  type LogPositions,
  LogStore,
  type OwnedChunk,
  type PutResult,
  type StoredChunk,
} from './log-store.js'

/** A document of log_chunks. `size` is the length of `body`. Full field names: they cost 0.05 bytes a line in full chunks, and the block compressor takes most of it in small ones. */
type ChunkDocument = {
  _id: ChunkId
  count: number
  bytes: number
  offset: number
  encoding: ChunkHeader['encoding']
  firstAt: Date
  lastAt: Date
  checksum: number
  digest: Binary
  body: Binary
  /** Its first marker line, where there is one. */
  marker?: number
}
type PositionDocument = Pick<ChunkDocument, '_id' | 'count' | 'bytes' | 'offset' | 'digest' | 'firstAt' | 'lastAt' | 'marker'>

const POSITION = { count: 1, bytes: 1, offset: 1, digest: 1, firstAt: 1, lastAt: 1, marker: 1 } as const
const DROP_BATCH = 2_000
/** Streams in one filter: each is a range of its own to MongoDB. */
const STREAMS_AT_ONCE = 100
/** The driver has no deadline of its own for an operation (its `timeoutMS` does nothing): these end one that MongoDB can't finish, such as a write without a majority. */
const OPERATION_MS = 10_000
const WRITE_CONCERN = { w: 'majority', journal: true, wtimeoutMS: OPERATION_MS } as const
const DUPLICATE_KEY = 11_000
const VALIDATION_FAILED = 121

class MongoPositions implements LogPositions {
  constructor(
    private readonly chunks: Reads<ChunkDocument>,
    private readonly ids: LogIds,
  ) {}

  async positions(key: LogRef, from: number, limit: number): Promise<ChunkPosition[]> {
    const found = this.chunks.find<PositionDocument>(inStream(this.ids, key, from), { sort: { _id: 1 }, limit, batchSize: limit, projection: POSITION })
    return (await found.toArray()).map(toPosition)
  }

  async positionAt(key: LogRef, line: number): Promise<ChunkPosition | undefined> {
    const found = await this.chunks.findOne<PositionDocument>(inStream(this.ids, key, 0, line + 1), { sort: { _id: -1 }, projection: POSITION })
    return found === null ? undefined : toPosition(found)
  }
}

/**
 * Log chunks in MongoDB. Collection log_chunks has the one index that is always there: `_id` gives both orders, range reads and the refusal of duplicates.
 * Reads are majority reads from the primary, as set by {@link Mongo}. The block compressor is the default one: of full chunks it takes nothing (their bodies are
 * compressed) and costs nothing; a log of small chunks, which are plain, takes 40 % of the space that it would without.
 */
@Injectable()
export class MongoLogStore extends LogStore implements OnModuleInit {
  private readonly chunks: Collection<ChunkDocument>
  private readonly reads: Reads<ChunkDocument>
  private readonly own: LogPositions
  readonly forPeople: LogPositions

  constructor(
    private readonly mongo: Mongo,
    private readonly ids: LogIds,
    private readonly metrics: Metrics,
  ) {
    super()
    this.chunks = mongo.collection<ChunkDocument>('log_chunks')
    this.reads = mongo.reads<ChunkDocument>('log_chunks')
    this.own = new MongoPositions(new Reads(mongo.db, 'log_chunks'), ids)
    this.forPeople = new MongoPositions(this.reads, ids)
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, {
      name: 'log_chunks',
      fields: {
        _id: { bsonType: 'object', required: ['instance', 'task', 'attempt', 'n'] },
        count: 'number',
        bytes: 'number',
        offset: 'number',
        encoding: 'string',
        firstAt: 'date',
        lastAt: 'date',
        checksum: 'number',
        digest: 'binData',
        body: 'binData',
      },
    })
  }

  async put(chunks: readonly CheckedChunk[]): Promise<PutResult[]> {
    const results: PutResult[] = chunks.map(() => 'ok')
    try {
      await this.chunks.insertMany(chunks.map((chunk) => toDocument(this.ids.chunk(chunk.header, chunk.header.n), chunk)), { ordered: false, writeConcern: WRITE_CONCERN })
      return results
    } catch (error) {
      for (const { index, code } of writeErrorsOf(error)) {
        if (code === VALIDATION_FAILED) results[index] = 'refused'
        else results[index] = code === DUPLICATE_KEY ? 'dup' : 'busy'
      }
    }
    // "Duplicate" says that someone inserted it, not that a majority has it, nor that it is the same chunk: both are read back.
    const duplicates = chunks.map((chunk, index) => ({ chunk, index })).filter(({ index }) => results[index] === 'dup')
    const compared = await this.compare(duplicates.map(({ chunk }) => chunk))
    duplicates.forEach(({ index }, i) => {
      const result = compared[i] ?? 'refused'
      results[index] = result === 'refused' ? 'busy' : result
    })
    return results
  }

  async compare(chunks: readonly OwnedChunk[]): Promise<PutResult[]> {
    if (chunks.length === 0) return []
    const stored = new Map<string, { count: number; checksum: number; digest: Binary }>()
    const cursor = this.chunks.find(
      { _id: { $in: chunks.map(({ header }) => this.ids.chunk(header, header.n)) } },
      { projection: { count: 1, checksum: 1, digest: 1 }, maxTimeMS: OPERATION_MS },
    )
    for await (const document of cursor) stored.set(placeOf(keyOf(document._id), document._id.n), document)
    return chunks.map(({ header }) => {
      const found = stored.get(placeOf(header, header.n))
      if (found === undefined) return 'refused'
      return found.checksum === header.checksum && found.count === header.count && found.digest.toString('hex') === header.digest ? 'dup' : 'conflict'
    })
  }

  async read(key: LogRef, range: ChunkRead): Promise<StoredChunk[]> {
    const cursor = this.reads.find(inStream(this.ids, key, range.from, range.to), {
      sort: { _id: range.order === 'desc' ? -1 : 1 },
      limit: range.maxChunks,
      batchSize: range.maxChunks,
      maxTimeMS: OPERATION_MS,
    })
    const found: StoredChunk[] = []
    let bytes = 0
    // Leaving the loop closes the cursor.
    for await (const document of cursor) {
      const chunk = fromDocument(document)
      found.push(chunk)
      bytes += chunk.data.length
      if (bytes >= (range.maxBytes ?? Infinity)) break
    }
    this.metrics.logChunkReads.inc(found.length)
    return found
  }

  positions(key: LogRef, from: number, limit: number): Promise<ChunkPosition[]> {
    return this.own.positions(key, from, limit)
  }

  positionAt(key: LogRef, line: number): Promise<ChunkPosition | undefined> {
    return this.own.positionAt(key, line)
  }

  async onlyPositions(keys: readonly LogRef[]): Promise<(ChunkPosition | undefined)[]> {
    const result: (ChunkPosition | undefined)[] = []
    for (let from = 0; from < keys.length; from += STREAMS_AT_ONCE) result.push(...(await this.onlyOf(keys.slice(from, from + STREAMS_AT_ONCE))))
    return result
  }

  /** Two chunks of a stream prove that it has more than one. When those of some fill the answer, what is not in it is left to a closer look. */
  private async onlyOf(keys: readonly LogRef[]): Promise<(ChunkPosition | undefined)[]> {
    const limit = 2 * keys.length
    const found = await this.chunks
      .find<PositionDocument>({ $or: keys.map((key) => inStream(this.ids, key, 0)) }, { projection: POSITION, limit, batchSize: limit, maxTimeMS: OPERATION_MS })
      .toArray()
    if (found.length === limit) return keys.map(() => undefined)
    const byStream = new Map<string, PositionDocument[]>()
    for (const document of found) {
      const id = attemptKeyString(keyOf(document._id))
      byStream.set(id, [...(byStream.get(id) ?? []), document])
    }
    return keys.map((key) => {
      const [only, ...others] = byStream.get(attemptKeyString(key)) ?? []
      return only === undefined || others.length > 0 ? undefined : toPosition(only)
    })
  }

  async haveBegun(keys: readonly LogRef[]): Promise<boolean[]> {
    if (keys.length === 0) return []
    const begun = new Set<string>()
    const cursor = this.chunks.find({ _id: { $in: keys.map((key) => this.ids.chunk(key, 0)) } }, { projection: { _id: 1 }, maxTimeMS: OPERATION_MS })
    for await (const { _id } of cursor) begun.add(attemptKeyString(keyOf(_id)))
    return keys.map((key) => begun.has(attemptKeyString(key)))
  }

  async hasAny(keys: readonly LogRef[]): Promise<boolean> {
    for (let from = 0; from < keys.length; from += STREAMS_AT_ONCE) {
      const some = { $or: keys.slice(from, from + STREAMS_AT_ONCE).map((key) => inStream(this.ids, key, 0)) }
      if ((await this.chunks.findOne(some, { projection: { _id: 1 }, maxTimeMS: OPERATION_MS })) !== null) return true
    }
    return false
  }

  /** Answered from the index alone. */
  async starts(key: LogRef, from: number, to: number): Promise<number[]> {
    return (await this.chunks.find(inStream(this.ids, key, from, to), { projection: { _id: 1 }, maxTimeMS: OPERATION_MS }).toArray()).map(({ _id }) => _id.n)
  }

  /** In batches, so that no single command outlasts its deadline however long the logs are. */
  async drop(keys: readonly LogRef[]): Promise<void> {
    for (let from = 0; from < keys.length; from += STREAMS_AT_ONCE)
      await this.dropAll({ $or: keys.slice(from, from + STREAMS_AT_ONCE).map((key) => inStream(this.ids, key, 0)) })
  }

  private async dropAll(all: Filter<ChunkDocument>): Promise<void> {
    for (;;) {
      const found = await this.chunks.find(all, { limit: DROP_BATCH, batchSize: DROP_BATCH, projection: { _id: 1 }, maxTimeMS: OPERATION_MS }).toArray()
      if (found.length > 0) await this.chunks.deleteMany({ _id: { $in: found.map(({ _id }) => _id) } })
      if (found.length < DROP_BATCH) return
    }
  }
}

const placeOf = (key: AttemptKey, n: number): string => `${attemptKeyString(key)}_${n}`

/** Chunks of a stream that begin in lines [from, to). */
function inStream(ids: LogIds, key: AttemptKey, from: number, to = Number.MAX_SAFE_INTEGER): Filter<ChunkDocument> {
  return { _id: { $gte: ids.chunk(key, from), $lt: ids.chunk(key, to) } }
}

/**
 * The documents that an unordered insertMany refused. Rethrows everything else: a network, step-down or write-concern error arrives as a MongoBulkWriteError
 * without writeErrors, and is a failure of the whole batch, not a success.
 */
function writeErrorsOf(error: unknown): { index: number; code: number }[] {
  if (!(error instanceof MongoBulkWriteError)) throw error
  const writeErrors = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors]
  if (writeErrors.length === 0 || error.result.getWriteConcernError() !== undefined) throw error
  return writeErrors.map(({ index, code }) => ({ index, code }))
}

function toDocument(_id: ChunkId, { header, data, marker }: CheckedChunk): ChunkDocument {
  return {
    _id,
    count: header.count,
    bytes: header.bytes,
    offset: header.offset,
    encoding: header.encoding,
    firstAt: new Date(header.firstAt),
    lastAt: new Date(header.lastAt),
    checksum: header.checksum,
    digest: new Binary(Buffer.from(header.digest, 'hex')),
    body: new Binary(data),
    ...(marker === undefined ? {} : { marker }),
  }
}

function fromDocument(document: ChunkDocument): StoredChunk {
  const { buffer, byteOffset, byteLength } = document.body.value()
  const data = Buffer.from(buffer, byteOffset, byteLength)
  const { encoding, checksum } = document
  return { header: { ...toPosition(document), size: data.length, encoding, checksum }, data }
}

function toPosition({ _id, count, bytes, offset, digest, firstAt, lastAt, marker }: PositionDocument): ChunkPosition {
  const times = { firstAt: firstAt.getTime(), lastAt: lastAt.getTime() }
  return { n: _id.n, count, bytes, offset, digest: digest.toString('hex'), ...times, ...(marker === undefined ? {} : { marker }) }
}
