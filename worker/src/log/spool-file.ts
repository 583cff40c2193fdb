import { closeSync, constants, openSync, writevSync } from 'node:fs'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import type { StreamTotals } from '@jobtrail/protocol/log/chunk'
import type { Chunk } from '@jobtrail/protocol/log/chunk-builder'
import { systemCode } from '../errors.js'
import { genesisDigest } from '@jobtrail/protocol/log/codec'
import { backoffMs } from './backoff.js'
import { isDiskFault } from './disk-fault.js'
import { BrokenSpoolError, type Cursor, type Segment, type SpooledChunk, type SpoolHost } from './segment.js'
import { chunkFrame, endFrame, MAX_FRAME_BYTES, openFrame, readFrames, totalsAfter } from './spool-format.js'

const RETRY_BASE_MS = 200
const RETRY_MAX_MS = 5_000
const WRITE_BATCH_BYTES = 1024 * 1024
const WRITE_BATCH_ITEMS = 128
/** What waits in memory to be written stays below this, also when nothing asynchronous can run. */
const MAX_QUEUED_BYTES = 8 * 1024 * 1024
/** How the files are opened to be written. */
export const WRITE_FLAGS = constants.O_WRONLY | constants.O_CREAT
export const FILE_MODE = 0o600
const NO_BYTES = Buffer.alloc(0)

/** `isOnDisk`: was written in a hurry, and its bytes are no longer in memory. */
type Item = { segment: Segment; position: number; buffers: Buffer[]; bytes: number; chunk: Chunk | undefined; isOnDisk: boolean }

/** The spool of one stream: appended to in order, read back by position, in files of bounded size. */
export class SpoolFile {
  readonly key: AttemptKey
  private readonly host: SpoolHost<SpoolFile>
  private segments: Segment[]
  private totals: StreamTotals | undefined
  private queue: Item[] = []
  /** Bytes of it in memory. */
  private queuedBytes = 0
  private isWriting = false
  private failures = 0
  private handle: FileHandle | undefined
  private handleSeq = -1
  private waiters: (() => void)[] = []
  private isRemoved = false
  private hasEnd = false
  private lastSeq: number
  /** What is at the end of the newest file is not known. */
  private needsNewFile = false
  /** Damaged places are passed over: what is behind them is sent all the same. Otherwise they are an error. */
  skipsDamage = false
  /** The disk refuses; true when what was waiting for it was taken ({@link takeUnwritten}). */
  onRefused: (error: unknown) => boolean = () => false
  /** Called for each chunk once it is in the file, in order. */
  onWritten: (chunk: SpooledChunk) => void = () => {}

  constructor(host: SpoolHost<SpoolFile>, key: AttemptKey, recovered: Segment[] = [], totals?: StreamTotals) {
    this.host = host
    this.key = key
    this.segments = recovered
    this.totals = totals
    this.lastSeq = recovered.at(-1)?.seq ?? -1
  }

  get allSegments(): readonly Segment[] {
    return this.segments
  }
  /** Nothing more will be appended. */
  get isEnded(): boolean {
    return this.hasEnd
  }
  /** The disk refuses what is to be written. */
  get isFailing(): boolean {
    return this.failures > 0
  }

  append(chunk: Chunk): void {
    if (this.isRemoved) return
    const frame = chunkFrame(chunk)
    const segment = this.segmentFor(frame.length + chunk.data.length)
    this.enqueue(segment, [frame, chunk.data], chunk)
    this.totals = totalsAfter(this.currentTotals(), chunk.header)
    if (this.queuedBytes > MAX_QUEUED_BYTES && !this.isFailing) this.writeNow()
  }

  /** Says that the stream is over. A stream without chunks has no file and gets none. */
  appendEnd(totals: StreamTotals): void {
    this.hasEnd = true
    const segment = this.segments.at(-1)
    if (this.isRemoved || segment === undefined) return
    this.enqueue(segment, [endFrame(totals)], undefined)
  }

  /** Resolves when everything appended is in the file (or the file is removed); the disk's faults are retried until then. */
  async whenWritten(): Promise<void> {
    while (this.queue.length > 0) await new Promise<void>((resolve) => this.waiters.push(resolve))
  }

  /** As {@link whenWritten}, but also when the disk refuses. */
  async whenWrittenOrRefused(): Promise<void> {
    while (this.queue.length > 0 && !this.isFailing) await new Promise<void>((resolve) => this.waiters.push(resolve))
  }

  /** Gives up writing what is not on disk: it is the caller's to send. The stream goes on in a new file. */
  takeUnwritten(): Chunk[] {
    const taken = this.queue.filter(({ isOnDisk }) => !isOnDisk)
    this.queue = this.queue.filter(({ isOnDisk }) => isOnDisk)
    for (const { segment, bytes } of taken) {
      segment.size -= bytes
      this.queuedBytes -= bytes
      this.host.count(-bytes)
    }
    for (const { size, seq, path } of this.segments) {
      if (size > 0) continue
      if (seq === this.handleSeq) this.dropHandle()
      this.unlink(path)
    }
    this.segments = this.segments.filter(({ size }) => size > 0)
    this.needsNewFile = true
    return taken.flatMap(({ chunk }) => chunk ?? [])
  }

  /** What is written from now on goes into a new file, so that this one can be dropped when its chunks are acknowledged. */
  retire(): void {
    if (this.queue.length === 0 && !this.isWriting) this.needsNewFile = true
  }

  /** Chunks from `cursor` on, as many as one read holds, and where to go on. */
  async read(cursor: Cursor): Promise<{ chunks: SpooledChunk[]; next: Cursor }> {
    let { seq, offset } = cursor
    let segment = this.segments.find((candidate) => candidate.seq >= seq)
    if (segment === undefined) return { chunks: [], next: cursor }
    if (segment.seq > seq) offset = 0
    else if (offset >= segment.written) {
      const after = this.segments.find((candidate) => candidate.seq > seq)
      if (after === undefined) return { chunks: [], next: cursor }
      segment = after
      offset = 0
    }
    seq = segment.seq
    const length = Math.min(MAX_FRAME_BYTES, segment.written - offset)
    const bytes = Buffer.allocUnsafeSlow(length)
    const handle = await open(segment.path, 'r')
    try {
      const { bytesRead } = await handle.read(bytes, 0, length, offset)
      const chunks: SpooledChunk[] = []
      let end = 0
      for (const frame of readFrames(bytes.subarray(0, bytesRead), { isPart: true })) {
        if (frame.start > end && !this.skipsDamage) break
        end = frame.end
        if (frame.record.type === 'chunk') chunks.push({ header: frame.record.header, data: frame.body, segment, end: offset + end })
      }
      if (end === 0 && length > 0) {
        if (!this.skipsDamage) throw new BrokenSpoolError(`Spool file ${segment.path}: broken at byte ${offset}`)
        // A frame that begins in the last bytes read is found by the next read.
        end = length < MAX_FRAME_BYTES ? length : length - MAX_FRAME_BYTES / 2
      }
      return { chunks, next: { seq, offset: offset + end } }
    } finally {
      await handle.close()
    }
  }

  /** The files were written anew, with an end. */
  async replaceSegments(segments: Segment[], totals: StreamTotals): Promise<void> {
    await this.closeHandle()
    const sizeOf = (all: readonly Segment[]): number => all.reduce((sum, { size }) => sum + size, 0)
    this.host.count(sizeOf(segments) - sizeOf(this.segments))
    this.segments = segments
    this.totals = totals
    this.hasEnd = true
    this.lastSeq = segments.at(-1)?.seq ?? this.lastSeq
  }

  /** The stream goes on in a new file, if that is worth it; the ones before may be dropped once that is on disk. */
  rotate(): void {
    const last = this.segments.at(-1)
    if (last !== undefined && last.size > this.host.segmentBytes / 4) this.addSegment()
  }

  /** Drops files in which nothing is left to send, but for the newest. */
  dropBefore(seq: number): void {
    const newest = this.segments.at(-1)
    // A new file that is not written yet must not be the only trace of the stream.
    if (newest === undefined || newest.written === 0) return
    const isGone = (segment: Segment): boolean => segment.seq < seq && segment.outstanding === 0 && (segment !== newest || this.isUnused)
    const gone = this.segments.filter(isGone)
    if (gone.length === 0) return
    this.segments = this.segments.filter((segment) => !isGone(segment))
    for (const segment of gone) {
      this.host.count(-segment.size)
      this.unlink(segment.path)
    }
    // An open descriptor keeps the room of a removed file.
    if (gone.includes(newest)) this.closeHandle().catch((error: unknown) => this.host.onFault(error, 'close spool file'))
  }

  /** Nothing more is written to the newest file, whatever comes. */
  private get isUnused(): boolean {
    return this.needsNewFile && this.queue.length === 0 && !this.isWriting
  }

  private unlink(path: string): void {
    unlink(path).catch((error: unknown) => {
      if (systemCode(error) !== 'ENOENT') this.host.onFault(error, `unlink ${path}`)
    })
  }

  async sync(): Promise<void> {
    await this.handle?.datasync()
  }

  private dropHandle(): void {
    const { handle } = this
    this.handle = undefined
    this.handleSeq = -1
    handle?.close().catch((error: unknown) => this.host.onFault(error, 'close spool file'))
  }

  /** Gives the descriptor back; a later write opens the file again. */
  async closeHandle(): Promise<void> {
    const handle = this.handle
    if (handle === undefined || this.isWriting) return
    this.handle = undefined
    this.handleSeq = -1
    await handle.close()
  }

  /** Nothing is written any more; the files are the caller's, to move or unlink (the newest may not exist yet). Waits for a write under way. */
  async detach(): Promise<readonly string[]> {
    if (this.isRemoved) return []
    this.isRemoved = true
    for (const segment of this.segments) this.host.count(-segment.size)
    while (this.isWriting) await new Promise<void>((resolve) => this.waiters.push(resolve))
    this.queue = []
    await this.closeHandle()
    this.wake()
    return this.segments.map((segment) => segment.path)
  }

  private currentTotals(): StreamTotals {
    return this.totals ?? { chunks: 0, lines: 0, bytes: 0, digest: genesisDigest(this.key) }
  }

  private segmentFor(bytes: number): Segment {
    const last = this.segments.at(-1)
    return last !== undefined && !this.needsNewFile && last.size + bytes <= this.host.segmentBytes ? last : this.addSegment()
  }

  private addSegment(): Segment {
    const seq = ++this.lastSeq
    this.needsNewFile = false
    const from = this.currentTotals()
    const segment: Segment = { seq, path: this.host.pathOf(this.key, seq), from, size: 0, written: 0, chunkBytes: 0, outstanding: 0 }
    this.segments.push(segment)
    this.enqueue(segment, [openFrame(this.key, from)], undefined)
    return segment
  }

  private enqueue(segment: Segment, buffers: Buffer[], chunk: Chunk | undefined): void {
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
    this.queue.push({ segment, position: segment.size, buffers, bytes, chunk, isOnDisk: false })
    this.queuedBytes += bytes
    segment.size += bytes
    this.host.count(bytes)
    if (!this.isWriting) void this.writeAll()
  }

  /** Never rejects: a fault of the disk is reported once and tried again, with growing pauses, until it works or the stream is removed. */
  private async writeAll(): Promise<void> {
    this.isWriting = true
    // What is appended in the same turn goes into one write.
    await Promise.resolve()
    while (this.queue.length > 0 && !this.isRemoved) {
      const batch = this.nextBatch()
      try {
        await this.writeBatch(batch)
        this.failures = 0
      } catch (error) {
        if (this.isRemoved) break
        if (this.failures++ === 0) {
          this.host.onFault(error, 'spool write')
          this.wake()
        }
        if (isDiskFault(error) && this.onRefused(error)) continue
        await this.host.pause(backoffMs(this.failures, RETRY_BASE_MS, RETRY_MAX_MS))
        if (this.isRemoved) break
        continue
      }
      if (this.isRemoved) break
      this.queue = this.queue.slice(batch.length)
      this.host.markDirty(this)
      for (const item of batch) this.settle(item)
    }
    this.isWriting = false
    this.wake()
  }

  /**
   * For a producer that prints and never lets go of the thread: writes what is waiting now. A write under way puts the same bytes at the same place, so it does
   * no harm; the loop then only counts what it finds written.
   */
  private writeNow(): void {
    for (const item of this.queue) {
      if (item.isOnDisk) continue
      try {
        const descriptor = openSync(item.segment.path, WRITE_FLAGS, FILE_MODE)
        try {
          if (writevSync(descriptor, item.buffers, item.position) < item.bytes) return
        } finally {
          closeSync(descriptor)
        }
      } catch {
        // The loop meets the same fault, reports it and tries again.
        return
      }
      item.isOnDisk = true
      item.buffers = []
      if (item.chunk !== undefined) item.chunk = { header: item.chunk.header, data: NO_BYTES }
      this.queuedBytes -= item.bytes
    }
  }

  private settle({ segment, position, bytes, chunk, isOnDisk }: Item): void {
    segment.written = position + bytes
    if (!isOnDisk) this.queuedBytes -= bytes
    if (chunk === undefined) return
    segment.chunkBytes += chunk.header.size
    this.onWritten({ ...chunk, segment, end: segment.written })
  }

  private nextBatch(): Item[] {
    const batch: Item[] = []
    let bytes = 0
    for (const item of this.queue) {
      if (
        batch.length > 0 &&
        (item.segment !== batch[0]?.segment ||
          item.isOnDisk !== batch[0].isOnDisk ||
          bytes + item.bytes > WRITE_BATCH_BYTES ||
          batch.length === WRITE_BATCH_ITEMS)
      )
        break
      batch.push(item)
      bytes += item.bytes
    }
    return batch
  }

  /** At explicit positions, so that trying again after a part was written repeats the same bytes at the same place. */
  private async writeBatch(batch: readonly Item[]): Promise<void> {
    const [first] = batch
    if (first === undefined) return
    // Also for what is on disk: the handle is what syncs it.
    const handle = await this.handleFor(first.segment)
    if (first.isOnDisk) return
    const total = batch.reduce((sum, item) => sum + item.bytes, 0)
    const { bytesWritten } = await handle.writev(
      batch.flatMap((item) => item.buffers),
      first.position,
    )
    // The last room of a disk takes a part, time and again, without a word.
    if (bytesWritten < total) throw Object.assign(new Error(`Spool file ${first.segment.path}: ${bytesWritten} of ${total} bytes written`), { code: 'ENOSPC' })
  }

  private async handleFor(segment: Segment): Promise<FileHandle> {
    if (this.handle !== undefined && this.handleSeq === segment.seq) return this.handle
    const former = this.handle
    this.handle = undefined
    this.handleSeq = -1
    if (former !== undefined) {
      try {
        await former.datasync()
      } finally {
        await former.close()
      }
    }
    this.handle = await this.host.openFile(segment.path)
    this.handleSeq = segment.seq
    return this.handle
  }

  private wake(): void {
    const waiters = this.waiters
    this.waiters = []
    for (const resolve of waiters) resolve()
  }
}
