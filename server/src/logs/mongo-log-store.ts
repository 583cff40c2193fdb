import { Binary, type Collection, type Filter, MongoBulkWriteError } from 'mongodb'
import { Injectable, type OnModuleInit } from '@nestjs/common'
import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import type { ChunkHeader } from '@jobtrail/protocol/log/chunk'
import type { Chunk } from '@jobtrail/protocol/log/chunk-builder'
import { ensureCollection } from '../platform/ensure-collection.js'
import { Metrics } from '../platform/metrics.js'
import { Mongo } from '../platform/mongo.js'
import type { Reads } from '../platform/reads.js'
import { type ChunkId, chunkId, keyOf } from './log-key.js'
import { type CheckedChunk, type ChunkPosition, type ChunkRead, LogStore, type PutResult, type StoredChunk } from './log-store.js'

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
type PositionDocument = Pick<ChunkDocument, '_id' | 'count' | 'bytes' | 'offset' | 'digest' | 'marker'>

const POSITION = { count: 1, bytes: 1, offset: 1, digest: 1, marker: 1 } as const
const DROP_BATCH = 2_000
/** Streams in one filter: each is a range of its own to MongoDB. */
const STREAMS_AT_ONCE = 100
/** The driver has no deadline of its own for an operation (its `timeoutMS` does nothing): these end one that MongoDB can't finish, such as a write without a majority. */
const OPERATION_MS = 10_000
const WRITE_CONCERN = { w: 'majority', journal: true, wtimeoutMS: OPERATION_MS } as const
const DUPLICATE_KEY = 11_000
const VALIDATION_FAILED = 121

/**
 * Log chunks in MongoDB. Collection log_chunks has the one index that is always there: `_id` gives both orders, range reads and the refusal of duplicates.
 * Reads are majority reads from the primary, as set by {@link Mongo}. The block compressor is the default one: of full chunks it takes nothing (their bodies are
 * compressed) and costs nothing; a log of small chunks, which are plain, takes 40 % of the space that it would without.
 */
@Injectable()
export class MongoLogStore extends LogStore implements OnModuleInit {
  private readonly chunks: Collection<ChunkDocument>
  private readonly reads: Reads<ChunkDocument>

  constructor(
    private readonly mongo: Mongo,
    private readonly metrics: Metrics,
  ) {
    super()
    this.chunks = mongo.collection<ChunkDocument>('log_chunks')
    this.reads = mongo.reads<ChunkDocument>('log_chunks')
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
      await this.chunks.insertMany(chunks.map(toDocument), { ordered: false, writeConcern: WRITE_CONCERN })
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

  async compare(chunks: readonly Chunk[]): Promise<PutResult[]> {
    if (chunks.length === 0) return []
    const stored = new Map<string, { count: number; checksum: number; digest: Binary }>()
    const cursor = this.chunks.find(
      { _id: { $in: chunks.map(({ header }) => chunkId(header, header.n)) } },
      { projection: { count: 1, checksum: 1, digest: 1 }, maxTimeMS: OPERATION_MS },
    )
    for await (const document of cursor) stored.set(idString(document._id), document)
    return chunks.map(({ header }) => {
      const found = stored.get(idString(chunkId(header, header.n)))
      if (found === undefined) return 'refused'
      return found.checksum === header.checksum && found.count === header.count && found.digest.toString('hex') === header.digest ? 'dup' : 'conflict'
    })
  }

  async read(key: AttemptKey, range: ChunkRead): Promise<StoredChunk[]> {
    const cursor = this.reads.find(inStream(key, range.from, range.to), {
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

  async positions(key: AttemptKey, from: number, limit: number, isForPeople = false): Promise<ChunkPosition[]> {
    const filter = inStream(key, from)
    const options = { sort: { _id: 1 }, limit, batchSize: limit, projection: POSITION, maxTimeMS: OPERATION_MS } as const
    const cursor = isForPeople ? this.reads.find<PositionDocument>(filter, options) : this.chunks.find<PositionDocument>(filter, options)
    return (await cursor.toArray()).map(toPosition)
  }

  async positionAt(key: AttemptKey, line: number, isForPeople = false): Promise<ChunkPosition | undefined> {
    const filter = inStream(key, 0, line + 1)
    const options = { sort: { _id: -1 }, projection: POSITION, maxTimeMS: OPERATION_MS } as const
    const document = await (isForPeople ? this.reads.findOne<PositionDocument>(filter, options) : this.chunks.findOne<PositionDocument>(filter, options))
    return document === null ? undefined : toPosition(document)
  }

  async onlyPositions(keys: readonly AttemptKey[]): Promise<(ChunkPosition | undefined)[]> {
    const result: (ChunkPosition | undefined)[] = []
    for (let from = 0; from < keys.length; from += STREAMS_AT_ONCE) result.push(...(await this.onlyOf(keys.slice(from, from + STREAMS_AT_ONCE))))
    return result
  }

  /** Two chunks of a stream prove that it has more than one. When those of some fill the answer, what is not in it is left to a closer look. */
  private async onlyOf(keys: readonly AttemptKey[]): Promise<(ChunkPosition | undefined)[]> {
    const limit = 2 * keys.length
    const found = await this.chunks
      .find<PositionDocument>({ $or: keys.map((key) => inStream(key, 0)) }, { projection: POSITION, limit, batchSize: limit, maxTimeMS: OPERATION_MS })
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

  async haveBegun(keys: readonly AttemptKey[]): Promise<boolean[]> {
    if (keys.length === 0) return []
    const begun = new Set<string>()
    const cursor = this.chunks.find({ _id: { $in: keys.map((key) => chunkId(key, 0)) } }, { projection: { _id: 1 }, maxTimeMS: OPERATION_MS })
    for await (const { _id } of cursor) begun.add(idString(_id))
    return keys.map((key) => begun.has(idString(chunkId(key, 0))))
  }

  async hasAny(keys: readonly AttemptKey[]): Promise<boolean> {
    for (let from = 0; from < keys.length; from += STREAMS_AT_ONCE) {
      const some = { $or: keys.slice(from, from + STREAMS_AT_ONCE).map((key) => inStream(key, 0)) }
      if ((await this.chunks.findOne(some, { projection: { _id: 1 }, maxTimeMS: OPERATION_MS })) !== null) return true
    }
    return false
  }

  /** Answered from the index alone. */
  async starts(key: AttemptKey, from: number, to: number): Promise<number[]> {
    return (await this.chunks.find(inStream(key, from, to), { projection: { _id: 1 }, maxTimeMS: OPERATION_MS }).toArray()).map(({ _id }) => _id.n)
  }

  /** In batches, so that no single command outlasts its deadline however long the logs are. */
  async drop(keys: readonly AttemptKey[]): Promise<void> {
    for (let from = 0; from < keys.length; from += STREAMS_AT_ONCE)
      await this.dropAll({ $or: keys.slice(from, from + STREAMS_AT_ONCE).map((key) => inStream(key, 0)) })
  }

  private async dropAll(all: Filter<ChunkDocument>): Promise<void> {
    for (;;) {
      const found = await this.chunks.find(all, { limit: DROP_BATCH, batchSize: DROP_BATCH, projection: { _id: 1 }, maxTimeMS: OPERATION_MS }).toArray()
      if (found.length > 0) await this.chunks.deleteMany({ _id: { $in: found.map(({ _id }) => _id) } })
      if (found.length < DROP_BATCH) return
    }
  }
}

const idString = (id: ChunkId): string => `${id.instance}_${id.task}_${id.attempt}_${id.n}`

/** Chunks of a stream that begin in lines [from, to). */
function inStream(key: AttemptKey, from: number, to = Number.MAX_SAFE_INTEGER): Filter<ChunkDocument> {
  return { _id: { $gte: chunkId(key, from), $lt: chunkId(key, to) } }
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

function toDocument({ header, data, marker }: CheckedChunk): ChunkDocument {
  return {
    _id: chunkId(header, header.n),
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
  return {
    header: { ...toPosition(document), size: data.length, encoding, checksum, firstAt: document.firstAt.getTime(), lastAt: document.lastAt.getTime() },
    data,
  }
}

function toPosition({ _id, count, bytes, offset, digest, marker }: PositionDocument): ChunkPosition {
  return { n: _id.n, count, bytes, offset, digest: digest.toString('hex'), ...(marker === undefined ? {} : { marker }) }
}
