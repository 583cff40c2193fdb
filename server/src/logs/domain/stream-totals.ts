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
 * May the stream be sealed with these totals? `prefix` is what is known to be stored without a gap, `chunks` every stored chunk from its end on, in the order of `n`.
 * Reads positions only: that the bodies are what the digests say is checked on arrival (checksum) and by `verify`.
 */
export function decideSeal(totals: StreamTotals, prefix: Prefix, chunks: Iterable<ChunkPosition>): SealDecision {
  const missing: LineRange[] = []
  let at: Prefix = prefix
  for (const chunk of chunks) {
    if (chunk.n < at.lines) return conflict(`chunks overlap at line ${chunk.n}`)
    if (chunk.n > at.lines) {
      if (missing.length < MAX_RANGES) missing.push({ from: at.lines, to: chunk.n })
    } else if (missing.length === 0 && chunk.offset !== at.bytes) {
      return conflict(`the chunk at line ${chunk.n} begins at byte ${chunk.offset}, the one before it ends at ${at.bytes}`)
    }
    at = { chunks: at.chunks + 1, lines: chunk.n + chunk.count, bytes: at.bytes + chunk.bytes, digest: chunk.digest }
  }
  if (at.lines > totals.lines) return conflict(`${at.lines} lines are stored, ${totals.lines} were announced`)
  if (at.lines < totals.lines && missing.length < MAX_RANGES) missing.push({ from: at.lines, to: totals.lines })
  if (missing.length > 0) return { state: 'missing', missing }
  const difference = differenceOf(at, totals)
  return difference === undefined ? { state: 'sealed', missing: [] } : conflict(difference)
}

const conflict = (reason: string): SealDecision => ({ state: 'conflict', missing: [], reason })

/** What differs between stored and announced totals, for people; undefined when they are equal. */
export function differenceOf(stored: StreamTotals, announced: StreamTotals): string | undefined {
  for (const member of ['lines', 'chunks', 'bytes', 'digest'] as const) {
    if (stored[member] !== announced[member]) return `${member}: ${stored[member]} stored, ${announced[member]} announced`
  }
  return undefined
}
