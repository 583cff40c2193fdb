import { isDeepStrictEqual } from 'node:util'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import type { LineRange, StreamTotals } from '@jobtrail/protocol/log/chunk'
import { genesisDigest } from '@jobtrail/protocol/log/codec'
import { boundLosses, type LogLoss } from '@jobtrail/protocol/log/losses'
import { missingRanges } from '@jobtrail/protocol/log/ranges'
import type { ChunkPosition } from '../log-store.js'

/** Totals of the chunks from line 0 without a gap: what of an unsealed stream can be read. `marker`: the first marker line in it. */
export type Prefix = Omit<StreamTotals, 'losses'> & { marker?: number }

/** Of a stream without a chunk. */
export const emptyTotals = (key: AttemptKey): StreamTotals => ({ chunks: 0, lines: 0, bytes: 0, digest: genesisDigest(key) })

/**
 * Takes chunks, in the order of `n`, onto a prefix, up to the first gap. A chunk that begins inside the prefix is none of this stream's (a worker cuts each
 * line into one chunk only) and is passed over.
 */
export function extendPrefix(prefix: Prefix, chunks: Iterable<ChunkPosition>): { prefix: Prefix; hasGap: boolean } {
  let end = prefix
  for (const chunk of chunks) {
    if (chunk.n < end.lines) continue
    if (chunk.n > end.lines) return { prefix: end, hasGap: true }
    end = appended(end, chunk)
  }
  return { prefix: end, hasGap: false }
}

function appended({ chunks, bytes, marker }: Prefix, chunk: ChunkPosition): Prefix {
  const first = marker ?? chunk.marker
  return {
    chunks: chunks + 1,
    lines: chunk.n + chunk.count,
    bytes: bytes + chunk.bytes,
    digest: chunk.digest,
    ...(first === undefined ? {} : { marker: first }),
  }
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

/** `missing` is empty but for the state `missing`; `reason` is there with `conflict`, and with `sealed` what is stored. */
export type SealDecision = { state: 'sealed'; missing: LineRange[]; end: Prefix } | { state: 'missing' | 'conflict'; missing: LineRange[]; reason?: string }

/** Of a very broken stream only this many missing ranges are named at a time; the worker seals again after it has sent them. */
export const MAX_RANGES = 500

/**
 * May a stream be sealed with the announced totals? They have to be those of all that is stored: fewer would hide lines that were acknowledged. Only a worker that
 * says that it lost something may know of less, as long as what it knows of is the beginning of what is stored. Takes every stored chunk beyond `prefix` (what is known to be stored without a gap), in the order of `n`, one by
 * one, so that no list of them is ever held. Looks at positions only: that the bodies are what the digests say is checked on arrival (checksum) and by `verify`.
 */
export class SealCheck {
  private readonly missing: LineRange[] = []
  private reason: string | undefined
  private end: Prefix
  private stored: number
  /** What is stored was the same as what was announced, at its end. */
  private hasAgreed: boolean

  constructor(
    private readonly totals: StreamTotals,
    prefix: Prefix,
  ) {
    this.end = prefix
    this.stored = prefix.lines
    this.hasAgreed = differenceOf(prefix, totals) === undefined
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
    const { lines, bytes } = this.end
    if (chunk.n < lines) this.reason ??= `chunks overlap at line ${chunk.n}`
    else if (chunk.n > lines) this.miss(lines, chunk.n)
    else if (this.missing.length === 0 && chunk.offset !== bytes)
      this.reason ??= `the chunk at line ${chunk.n} begins at byte ${chunk.offset}, the one before it ends at ${bytes}`
    this.stored += chunk.count
    this.end = appended(this.end, chunk)
    if (this.end.lines === this.totals.lines) this.hasAgreed = differenceOf(this.end, this.totals) === undefined
  }

  decide(): SealDecision {
    const { lines } = this.end
    if (this.reason !== undefined) return conflict(this.reason)
    const isMore = lines > this.totals.lines
    if (isMore && !this.mayKnowLess) return conflict(`${lines} lines are stored, ${this.totals.lines} were announced`)
    if (lines < this.totals.lines) this.miss(lines, this.totals.lines)
    if (this.missing.length > 0) return { state: 'missing', missing: this.missing }
    const difference = isMore ? undefined : differenceOf(this.end, this.totals)
    return difference === undefined ? { state: 'sealed', missing: [], end: this.end } : conflict(difference)
  }

  private get mayKnowLess(): boolean {
    const { losses = [] } = this.totals
    return this.hasAgreed && losses.length > 0
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

/** What is known of the end of an attempt beside the totals of its seal: those of `finished`, if it was taken, and whether the attempt was given up for lost. */
export type KnownEnd = { expected?: StreamTotals | undefined; isLost: boolean }

/**
 * What a stream that is sealed with `end` is known to lack; nothing of a whole one. A loss that was once named stays. A worker of version 1 names none: what a marker
 * line stands for is a limit, and of an attempt that was given up nobody knows whether its worker had read everything.
 */
export function lossesOf(end: Prefix, announced: StreamTotals, { expected, isLost }: KnownEnd): LogLoss[] {
  const first = expected?.losses ?? []
  const isWhole = expected !== undefined && differenceOf(end, expected) === undefined
  const more = (announced.losses ?? []).flatMap((loss) => {
    if (first.some((other) => isDeepStrictEqual(other, loss))) return []
    // The spool lost its end, but that had arrived here before.
    if (end.lines > announced.lines && loss.at >= announced.lines) return isWhole ? [] : [{ ...loss, at: end.lines, lines: null, bytes: null }]
    return [loss]
  })
  if (first.length + more.length > 0) return boundLosses([...first, ...more])
  return [
    ...(end.marker === undefined ? [] : [{ reason: 'limit' as const, at: end.marker, lines: null, bytes: null }]),
    ...(isLost && announced.losses === undefined ? [{ reason: 'worker-died' as const, at: end.lines, lines: null, bytes: null }] : []),
  ]
}

/** What differs between stored and announced totals, for people; undefined when they are equal. */
export function differenceOf(stored: Prefix, announced: Prefix): string | undefined {
  for (const member of ['lines', 'chunks', 'bytes', 'digest'] as const) {
    if (stored[member] !== announced[member]) return `${member}: ${stored[member]} stored, ${announced[member]} announced`
  }
  return undefined
}
