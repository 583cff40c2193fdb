import type { AttemptKey } from '../domain/attempt-key.js'
import { type ChunkHeader, hasNewline, LINE_FLAG_BITS, MAX_CHUNK_BYTES, MAX_CHUNK_LINES, type StreamTotals } from './chunk.js'
import { chainDigest, genesisDigest, packBody, writeVarint } from './codec.js'

/** A frozen chunk: its header and its body as it is sent and stored. */
export type Chunk = { header: ChunkHeader; data: Buffer }

/**
 * Turns the lines of one stream, in order, into frozen chunks with a digest chain. Pure: it knows no clock and no timer; whoever owns it decides when to
 * {@link close}. A new builder goes on from given totals (recovery from the spool).
 */
export class ChunkBuilder {
  private readonly key: AttemptKey
  private totals: StreamTotals
  private lines: Buffer[] = []
  private metas: number[] = []
  private bytes = 0
  private firstAt = 0
  private lastAt = 0

  constructor(key: AttemptKey, from?: StreamTotals) {
    this.key = { instanceId: key.instanceId, task: key.task, attempt: key.attempt }
    this.totals = from ?? { chunks: 0, lines: 0, bytes: 0, digest: genesisDigest(key) }
  }

  /** Lines waiting in the open chunk. */
  get pendingLines(): number {
    return this.lines.length
  }

  get isFull(): boolean {
    return this.lines.length >= MAX_CHUNK_LINES || this.bytes >= MAX_CHUNK_BYTES
  }

  /** Sums over the closed chunks. */
  get closedTotals(): StreamTotals {
    return this.totals
  }

  /** Takes a line without its newline. The bytes are kept by reference until the chunk is closed. A clock that went back counts as no time passed. */
  add(text: Buffer, flags: number, at: number): void {
    if (this.lines.length === 0) {
      this.firstAt = Math.max(at, this.lastAt)
      this.lastAt = this.firstAt
    }
    const delta = Math.max(0, at - this.lastAt)
    this.lastAt += delta
    this.lines.push(text)
    this.metas.push(delta * (1 << LINE_FLAG_BITS) + flags)
    this.bytes += text.length + (hasNewline(flags) ? 1 : 0)
  }

  /** Freezes what was added since the last close; undefined when that is nothing. */
  close(): Chunk | undefined {
    const count = this.lines.length
    if (count === 0) return undefined
    let size = count * 8
    for (const line of this.lines) size += line.length + 1
    const buffer = Buffer.allocUnsafe(size)
    let at = 0
    for (const meta of this.metas) at = writeVarint(buffer, at, meta)
    for (const line of this.lines) {
      at += line.copy(buffer, at)
      buffer[at++] = 0x0a
    }
    const body = buffer.subarray(0, at)
    const { chunks, lines: n, bytes: offset, digest: previous } = this.totals
    const digest = chainDigest(previous, { n, count, bytes: this.bytes, offset, firstAt: this.firstAt }, body)
    const { data, encoding, checksum } = packBody(body)
    const header: ChunkHeader = {
      ...this.key,
      n,
      count,
      bytes: this.bytes,
      offset,
      size: data.length,
      encoding,
      firstAt: this.firstAt,
      lastAt: this.lastAt,
      checksum,
      digest,
    }
    this.totals = { chunks: chunks + 1, lines: n + count, bytes: offset + this.bytes, digest }
    this.lines = []
    this.metas = []
    this.bytes = 0
    return { header, data }
  }
}
