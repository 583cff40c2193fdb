import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import type { ChunkHeader, LineRange, StreamTotals } from '@jobtrail/protocol/log/chunk'
import { missingRanges } from '@jobtrail/protocol/log/ranges'
import { Fifo } from './fifo.js'
import type { Chunk } from '@jobtrail/protocol/log/chunk-builder'
import { BrokenSpoolError, type Cursor, type Segment, type SpooledChunk } from './segment.js'
import type { SpoolFile } from './spool-file.js'
import type { RecoveredStream } from './spool-recovery.js'

/** What a chunk takes in memory beside its body, roughly: many tiny ones must not pass under the budget. */
const CHUNK_OVERHEAD_BYTES = 600
/** The place of a chunk that is in no file. */
const IN_MEMORY: Segment = { seq: -1, path: '', from: { chunks: 0, lines: 0, bytes: 0, digest: '' }, size: 0, written: 0, chunkBytes: 0, outstanding: 0 }

/** A chunk in memory, waiting to be sent or sent and not acknowledged. */
export interface QueuedChunk {
  readonly queue: StreamQueue
  readonly header: ChunkHeader
  readonly data: Buffer
  readonly segment: Segment
  readonly cost: number
  /** Its message failed: it is sent alone, so that one bad chunk does not stop those of other streams. */
  isAlone: boolean
  refusals: number
}

/**
 * What of one stream is still to be sent: a few chunks in memory and a cursor in its spool file for all others. There is no index of chunks, so a long backlog
 * takes no memory; ranges that the server has are skipped while reading.
 */
export class StreamQueue {
  readonly key: AttemptKey
  readonly id: string
  readonly file: SpoolFile
  readonly pending = new Fifo<QueuedChunk>()
  /** Set when the stream is over: its final sums. */
  totals: StreamTotals | undefined
  /** Nothing is sent before the server has said what it has. */
  isHeld = false
  /** What is to be done with it is decided when the server has said what it has. */
  recovered: RecoveredStream | undefined
  isRepairing = false
  /** Something of it cannot be read back. */
  isBroken = false
  /** It is not whole and cannot be sealed: it is set aside once what is intact is delivered. */
  isUnsealable = false
  examinations = 0
  isInRing = false
  isReading = false
  /** Sealed, dropped or set aside: nothing more is to be done. */
  isGone = false
  inFlight = 0
  /** Chunks made and not yet in the file; their bodies. */
  unwrittenBytes = 0
  /** Bodies in memory that wait to be sent. */
  waitingBytes = 0
  /** Bodies in memory, to be sent or sent. */
  private loadedBytes = 0
  /** Bodies in the file from the cursor on. */
  private backlogBytes = 0
  private cursor: Cursor
  private tail: Cursor
  private stored: readonly LineRange[] = []
  private generation = 0

  constructor(key: AttemptKey, file: SpoolFile) {
    this.key = key
    this.id = attemptKeyString(key)
    this.file = file
    this.cursor = this.start
    this.tail = this.end
    this.backlogBytes = this.bytesFrom(this.cursor.seq)
  }

  get unackedBytes(): number {
    return this.unwrittenBytes + this.backlogBytes + this.loadedBytes
  }
  /** Something is in the file that is not in memory. */
  get hasBacklog(): boolean {
    return this.cursor.seq < this.tail.seq || (this.cursor.seq === this.tail.seq && this.cursor.offset < this.tail.offset)
  }
  /** Everything that there is so far has been acknowledged. */
  get isDelivered(): boolean {
    return this.inFlight === 0 && this.pending.length === 0 && this.unwrittenBytes === 0 && !this.hasBacklog
  }

  /** A chunk has come into the file; `hold`: keep it in memory. Returns the memory taken. */
  written(chunk: SpooledChunk, hold: boolean): number {
    const isNext = !this.hasBacklog
    this.unwrittenBytes -= chunk.header.size
    this.tail = { seq: chunk.segment.seq, offset: chunk.end }
    if (hold && isNext && chunk.data.length > 0) {
      this.cursor = this.tail
      return this.load(chunk)
    }
    this.backlogBytes += chunk.header.size
    return 0
  }

  /** A chunk that the disk did not take is sent from memory. Returns the memory taken. */
  unspooled(chunk: Chunk): number {
    this.unwrittenBytes -= chunk.header.size
    return this.load({ ...chunk, segment: { ...IN_MEMORY }, end: 0 })
  }

  /** Brings the next part of the backlog into memory; returns the memory taken. */
  async readBacklog(): Promise<number> {
    const generation = this.generation
    this.isReading = true
    try {
      const { chunks, next } = await this.file.read(this.cursor)
      if (generation !== this.generation || this.isGone) return 0
      if (next.seq === this.cursor.seq && next.offset === this.cursor.offset)
        throw new BrokenSpoolError(`${this.id}: nothing to read at byte ${next.offset} of file ${next.seq}`)
      this.cursor = next
      const wanted = chunks.filter(({ header }) => !this.isStored(header))
      for (const { data } of chunks) this.backlogBytes -= data.length
      const wantedBytes = wanted.reduce((sum, { data }) => sum + data.length, 0)
      const readBytes = chunks[0]?.data.buffer.byteLength ?? 0
      // A few small bodies must not hold the whole read.
      const isSparse = wantedBytes * 2 < readBytes
      let cost = 0
      for (const chunk of wanted) cost += this.load(isSparse ? { ...chunk, data: Buffer.from(chunk.data) } : chunk)
      return cost
    } finally {
      this.isReading = false
    }
  }

  /** A chunk left the queue for a message. */
  take(): QueuedChunk | undefined {
    const chunk = this.pending.shift()
    if (chunk === undefined) return undefined
    this.inFlight++
    this.waitingBytes -= chunk.data.length
    return chunk
  }

  /** Acknowledged: returns the memory given back. */
  settle(chunk: QueuedChunk): number {
    this.inFlight--
    return this.forget(chunk)
  }

  /** Sent without success: waits again, in order. */
  giveBack(chunks: readonly QueuedChunk[]): void {
    this.inFlight -= chunks.length
    for (const { data } of chunks) this.waitingBytes += data.length
    this.pending.reset([...chunks, ...this.pending.toArray()].toSorted((a, b) => a.header.n - b.header.n))
  }

  /** The server has these lines; they are not sent (again). Returns the memory given back. */
  skipStored(stored: readonly LineRange[]): number {
    this.stored = stored
    let cost = 0
    const left: QueuedChunk[] = []
    for (const chunk of this.pending.toArray()) {
      if (this.isStored(chunk.header)) cost += this.forgetWaiting(chunk)
      else left.push(chunk)
    }
    this.pending.reset(left)
    return cost
  }

  /** Reads the file again for lines that the server misses after all; false when some of them are no longer in it. Only for a delivered stream. */
  rewind(missing: readonly LineRange[], lines: number): boolean {
    const from = missing[0]?.from ?? 0
    const segment = this.file.allSegments.findLast((candidate) => candidate.from.lines <= from)
    if (segment === undefined) return false
    this.generation++
    this.stored = missingRanges(missing, lines)
    this.cursor = { seq: segment.seq, offset: 0 }
    this.backlogBytes = this.bytesFrom(segment.seq)
    return true
  }

  /** Files before this one hold nothing that is still to be sent. */
  get neededFrom(): number {
    return this.isDelivered ? Infinity : this.cursor.seq
  }

  /** Forgets what is waiting; returns the memory given back. What is in flight gives its own back when answered. */
  drop(): number {
    this.isGone = true
    return this.clear()
  }

  /** The files were written anew: nothing of it is in memory any more. Returns the memory given back; what is in flight gives its own back when answered. */
  restart(): number {
    const cost = this.clear()
    this.cursor = this.start
    this.tail = this.end
    this.backlogBytes = this.bytesFrom(this.cursor.seq)
    this.stored = []
    return cost
  }

  private clear(): number {
    this.generation++
    const cost = this.pending.toArray().reduce((sum, chunk) => sum + this.forgetWaiting(chunk), 0)
    this.pending.reset([])
    return cost
  }

  private get start(): Cursor {
    return { seq: this.file.allSegments[0]?.seq ?? 0, offset: 0 }
  }
  private get end(): Cursor {
    const last = this.file.allSegments.at(-1)
    return { seq: last?.seq ?? 0, offset: last?.written ?? 0 }
  }

  private load(chunk: SpooledChunk): number {
    const cost = chunk.data.length + CHUNK_OVERHEAD_BYTES
    chunk.segment.outstanding++
    this.loadedBytes += chunk.data.length
    this.waitingBytes += chunk.data.length
    this.pending.push({ queue: this, header: chunk.header, data: chunk.data, segment: chunk.segment, cost, isAlone: false, refusals: 0 })
    return cost
  }

  private forget(chunk: QueuedChunk): number {
    chunk.segment.outstanding--
    this.loadedBytes -= chunk.data.length
    return chunk.cost
  }

  private forgetWaiting(chunk: QueuedChunk): number {
    this.waitingBytes -= chunk.data.length
    return this.forget(chunk)
  }

  private isStored({ n, count }: ChunkHeader): boolean {
    return this.stored.some(({ from, to }) => from <= n && n + count <= to)
  }

  private bytesFrom(seq: number): number {
    return this.file.allSegments.reduce((sum, segment) => (segment.seq >= seq ? sum + segment.chunkBytes : sum), 0)
  }
}
