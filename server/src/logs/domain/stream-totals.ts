import type { AttemptKey } from '@jobtrail/shared/domain/attempt-key'
import type { LineRange, StreamTotals } from '@jobtrail/shared/log/chunk'
import { genesisDigest } from '@jobtrail/shared/log/codec'
import { missingRanges } from '@jobtrail/shared/log/ranges'
import type { ChunkPosition } from '../log-store.js'

/** Totals of the chunks from line 0 without a gap: what of an unsealed stream can be read. */
export type Prefix = StreamTotals

/** Of a stream without a chunk. */
export const emptyTotals = (key: AttemptKey): StreamTotals => ({ chunks: 0, lines: 0, bytes: 0, digest: genesisDigest(key) })

/**
 * Takes chunks, in the order of `n`, onto a prefix, up to the first gap. A chunk that begins inside the prefix is none of this stream's (a worker cuts each
 * line into one chunk only) and is passed over.
 */
export function extendPrefix(prefix: Prefix, chunks: Iterable<ChunkPosition>): { prefix: Prefix; hasGap: boolean } {
  let { chunks: count, lines, bytes, digest } = prefix
  for (const chunk of chunks) {
    if (chunk.n < lines) continue
    if (chunk.n > lines) return { prefix: { chunks: count, lines, bytes, digest }, hasGap: true }
    count++
    lines += chunk.count
    bytes += chunk.bytes
    digest = chunk.digest
  }
  return { prefix: { chunks: count, lines, bytes, digest }, hasGap: false }
}

/** Adds a chunk beyond a gap to the ranges found so far; false, and nothing added, when there would be more than {@link MAX_RANGES}. */
export function appendRange(ranges: LineRange[], { n, count }: Pick<ChunkPosition, 'n' | 'count'>): boolean {
  const last = ranges.at(-1)
  if (last?.to === n) {
    last.to = n + count
    return true
  }
  if (ranges.length >= MAX_RANGES) return false
  ranges.push({ from: n, to: n + count })
  return true
}

/** What is missing between what is stored, and up to the end where that was announced. */
export function gapsOf(prefixLines: number, ranges: readonly LineRange[], expectedLines?: number): LineRange[] {
  const known = Math.max(prefixLines, ranges.at(-1)?.to ?? 0, expectedLines ?? 0)
  return missingRanges([{ from: 0, to: prefixLines }, ...ranges], known)
}

/** `missing` is empty but for the state `missing`; `reason` is there with `conflict`. */
export type SealDecision = { state: 'sealed' | 'missing' | 'conflict'; missing: LineRange[]; reason?: string }

/** Of a very broken stream only this many missing ranges are named at a time; the worker seals again after it has sent them. */
export const MAX_RANGES = 500

/**
 * May a stream be sealed with the announced totals? Takes every stored chunk beyond `prefix` (what is known to be stored without a gap), in the order of `n`, one by
 * one, so that no list of them is ever held. Looks at positions only: that the bodies are what the digests say is checked on arrival (checksum) and by `verify`.
 */
export class SealCheck {
  private readonly missing: LineRange[] = []
  private reason: string | undefined
  private end: Prefix
  private stored: number

  constructor(
    private readonly totals: StreamTotals,
    prefix: Prefix,
  ) {
    this.end = prefix
    this.stored = prefix.lines
  }

  /** Lines seen, for telling a slow delivery from none. */
  get storedLines(): number {
    return this.stored
  }

  /** What is stored from line 0 on, as long as there is no gap. */
  get prefix(): Prefix | undefined {
    return this.missing.length === 0 && this.reason === undefined ? this.end : undefined
  }

  add(chunk: ChunkPosition): void {
    const { lines, bytes, chunks } = this.end
    if (chunk.n < lines) this.reason ??= `chunks overlap at line ${chunk.n}`
    else if (chunk.n > lines) this.miss(lines, chunk.n)
    else if (this.missing.length === 0 && chunk.offset !== bytes)
      this.reason ??= `the chunk at line ${chunk.n} begins at byte ${chunk.offset}, the one before it ends at ${bytes}`
    this.stored += chunk.count
    this.end = { chunks: chunks + 1, lines: chunk.n + chunk.count, bytes: bytes + chunk.bytes, digest: chunk.digest }
  }

  decide(): SealDecision {
    const { lines } = this.end
    if (this.reason !== undefined) return conflict(this.reason)
    if (lines > this.totals.lines) return conflict(`${lines} lines are stored, ${this.totals.lines} were announced`)
    if (lines < this.totals.lines) this.miss(lines, this.totals.lines)
    if (this.missing.length > 0) return { state: 'missing', missing: this.missing }
    const difference = differenceOf(this.end, this.totals)
    return difference === undefined ? { state: 'sealed', missing: [] } : conflict(difference)
  }

  private miss(from: number, to: number): void {
    if (this.missing.length < MAX_RANGES) this.missing.push({ from, to })
  }
}

/** {@link SealCheck} for a list of chunks. */
export function decideSeal(totals: StreamTotals, prefix: Prefix, chunks: Iterable<ChunkPosition>): SealDecision {
  const check = new SealCheck(totals, prefix)
  for (const chunk of chunks) check.add(chunk)
  return check.decide()
}

const conflict = (reason: string): SealDecision => ({ state: 'conflict', missing: [], reason })

/** What differs between stored and announced totals, for people; undefined when they are equal. */
export function differenceOf(stored: StreamTotals, announced: StreamTotals): string | undefined {
  for (const member of ['lines', 'chunks', 'bytes', 'digest'] as const) {
    if (stored[member] !== announced[member]) return `${member}: ${stored[member]} stored, ${announced[member]} announced`
  }
  return undefined
}
