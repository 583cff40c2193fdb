import { type AttemptKey, attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { type ChunkHeader, type LineRange, type LogLine, type StreamTotals } from '@jobtrail/shared/log/chunk'
import type { Chunk } from '@jobtrail/shared/log/chunk-builder'
import { chainDigest, checkBody, decodeLines, genesisDigest, isChecksumRight, joinLines, unpackBody } from '@jobtrail/shared/log/codec'
import { mergeRanges, missingRanges } from '@jobtrail/shared/log/ranges'
import type { ChunkResult, SealReply } from '@jobtrail/shared/protocol/worker'

type Sealing = SealReply['results'][number]

/** The logs that a server double was sent, checked as servers check them and more: `problems` lists what no worker may do. */
export class LogStore {
  /** Totals by attempt. */
  readonly sealed = new Map<string, StreamTotals>()
  private readonly streams = new Map<string, Map<number, Chunk>>()
  /** Every chunk ever sent, stored or not. */
  private readonly sent = new Map<string, Chunk>()

  constructor(private readonly problems: string[]) {}

  /** Notes what was sent. A chunk that comes again has to be the same, byte for byte. */
  see(header: ChunkHeader, data: Buffer): void {
    const place = `${attemptKeyString(header)} line ${header.n}`
    const known = this.sent.get(place)
    if (known !== undefined && (known.header.digest !== header.digest || !known.data.equals(data))) this.problems.push(`${place}: another chunk than before`)
    this.sent.set(place, { header, data })
  }

  /** How many lines of an attempt were sent, stored or not. */
  sentLines(key: AttemptKey): number {
    const id = attemptKeyString(key)
    return [...this.sent.values()].filter(({ header }) => attemptKeyString(header) === id).reduce((sum, { header }) => sum + header.count, 0)
  }

  /** The spool was damaged: chunks that were sent and not stored may come back with other numbers. */
  forgetSent(key: AttemptKey): void {
    const id = attemptKeyString(key)
    for (const [place, { header }] of this.sent) if (attemptKeyString(header) === id) this.sent.delete(place)
  }

  take(header: ChunkHeader, data: Buffer): ChunkResult {
    const key = attemptKeyString(header)
    if (!isChecksumRight(header, data)) {
      this.problems.push(`${key} line ${header.n}: the checksum is wrong`)
      return 'refused'
    }
    checkBody(header, unpackBody(header.encoding, data))
    const stream = this.streams.get(key) ?? new Map<number, Chunk>()
    this.streams.set(key, stream)
    const there = stream.get(header.n)
    if (there !== undefined) return there.header.digest === header.digest ? 'dup' : 'conflict'
    stream.set(header.n, { header, data })
    return 'ok'
  }

  /** As if the server had lost it. */
  forget(key: AttemptKey, line: number): void {
    this.streams.get(attemptKeyString(key))?.delete(line)
  }

  ranges(key: AttemptKey): LineRange[] {
    return mergeRanges(this.chunks(key).map(({ header }) => header))
  }

  seal(key: AttemptKey, totals: StreamTotals): Sealing {
    const missing = missingRanges(this.ranges(key), totals.lines)
    if (missing.length > 0) return { state: 'missing', missing }
    const chunks = this.chunks(key)
    // A worker that lost something may know of less than is stored.
    const last = (totals.losses?.length ?? 0) > 0 ? chunks.find(({ header }) => header.n + header.count === totals.lines) : chunks.at(-1)
    if (last?.header.digest !== totals.digest || last.header.n + last.header.count !== totals.lines) {
      this.problems.push(`${attemptKeyString(key)}: the totals are not those of what was sent`)
      return { state: 'conflict', missing: [] }
    }
    this.sealed.set(attemptKeyString(key), totals)
    return { state: 'sealed', missing: [] }
  }

  chunks(key: AttemptKey): Chunk[] {
    return [...(this.streams.get(attemptKeyString(key))?.values() ?? [])].toSorted((a, b) => a.header.n - b.header.n)
  }

  /** What is stored, decoded and in order. Throws when the chain of digests is broken. */
  lines(key: AttemptKey): LogLine[] {
    let digest = genesisDigest(key)
    const lines: LogLine[] = []
    let bytes = 0
    for (const { header, data } of this.chunks(key)) {
      const body = unpackBody(header.encoding, data)
      digest = chainDigest(digest, header, body)
      if (digest !== header.digest || header.n !== lines.length || header.offset !== bytes) throw new Error(`the chain is broken at line ${header.n}`)
      bytes += header.bytes
      lines.push(...decodeLines(header, body))
    }
    return lines
  }

  /** The bytes that the process wrote. */
  raw(key: AttemptKey): Buffer {
    return joinLines(this.lines(key))
  }

  texts(key: AttemptKey): string[] {
    return this.lines(key).map(({ text }) => text.toString())
  }
}
