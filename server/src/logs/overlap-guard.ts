import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { mapBounded } from '../platform/map-bounded.js'
import type { CheckedChunk, LogStore } from './log-store.js'

/** Streams whose ends are remembered. */
const MAX_STREAMS = 20_000
const LOOK_UPS_AT_A_TIME = 8

/** Lines [from, to) in chunks that follow on each other. */
type Run = { key: AttemptKey; id: string; from: number; to: number; chunks: CheckedChunk[] }

/**
 * Finds chunks that overlap another one of their stream, before they are stored. A stream that is sent in order costs one look-up when it begins: from then on the end
 * of all that is stored of it is known here. Of others the neighbours are looked up. When overlapping chunks are sent to two servers, both may be stored: the seal finds that.
 */
export class OverlapGuard {
  private readonly ends = new Map<string, number>()
  private readonly storing = new Map<string, Set<CheckedChunk>>()

  constructor(private readonly store: LogStore) {}

  /** Calls `put` with the chunks that overlap nothing; the others. */
  async admit(chunks: readonly CheckedChunk[], put: (admitted: CheckedChunk[]) => Promise<void>): Promise<Set<CheckedChunk>> {
    const overlapping = new Set<CheckedChunk>()
    const runs = this.runsOf(chunks, overlapping)
    const doubtful = runs.filter((run) => this.ends.get(run.id) !== run.from)
    for (const { id, to } of runs) if (this.ends.has(id)) this.remember(id, to)
    this.hold(chunks)
    try {
      await this.lookUp(doubtful, overlapping)
      await put(chunks.filter((chunk) => !overlapping.has(chunk)))
    } finally {
      this.release(chunks)
    }
    return overlapping
  }

  /** Streams that nobody here has heard of are mostly new: one question for all of them. */
  private async lookUp(runs: readonly Run[], overlapping: Set<CheckedChunk>): Promise<void> {
    const unknown = runs.filter(({ id }) => !this.ends.has(id))
    const areNew = unknown.length === 0 || !(await this.store.hasAny(unknown.map(({ key }) => key)))
    await mapBounded(areNew ? runs.filter((run) => !unknown.includes(run)) : runs, LOOK_UPS_AT_A_TIME, async (run) => {
      for (const chunk of await this.overlappingOf(run)) overlapping.add(chunk)
      if (!unknown.includes(run)) return
      const last = await this.store.positionAt(run.key, Number.MAX_SAFE_INTEGER - 1)
      if (last !== undefined) this.remember(run.id, last.n + last.count)
    })
    for (const { id, to } of unknown) this.remember(id, to)
  }

  /** In the order of their lines. What overlaps within the batch, or what is just being stored, goes to `overlapping`. */
  private runsOf(chunks: readonly CheckedChunk[], overlapping: Set<CheckedChunk>): Run[] {
    const runs: Run[] = []
    let last: Run | undefined
    const sorted = chunks
      .map((chunk) => ({ chunk, id: attemptKeyString(chunk.header) }))
      .toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : a.chunk.header.n - b.chunk.header.n))
    for (const { chunk, id } of sorted) {
      const { n, count } = chunk.header
      const former = last?.id === id ? last : undefined
      // The same place twice is for the store to compare.
      if (former?.chunks.at(-1)?.header.n === n) continue
      if ((former !== undefined && n < former.to) || this.isBeingStored(id, chunk)) overlapping.add(chunk)
      else if (former?.to === n) {
        former.chunks.push(chunk)
        former.to = n + count
      } else runs.push((last = { key: chunk.header, id, from: n, to: n + count, chunks: [chunk] }))
    }
    return runs
  }

  private isBeingStored(id: string, chunk: CheckedChunk): boolean {
    for (const other of this.storing.get(id) ?? []) if (overlap(chunk, other.header.n, other.header.count)) return true
    return false
  }

  private async overlappingOf({ key, from, to, chunks }: Run): Promise<CheckedChunk[]> {
    const [before, starts] = await Promise.all([
      from === 0 ? undefined : this.store.positionAt(key, from - 1),
      to - from > 1 ? this.store.starts(key, from + 1, to) : [],
    ])
    return chunks.filter(
      (chunk) =>
        (before !== undefined && overlap(chunk, before.n, before.count)) || starts.some((n) => n > chunk.header.n && n < chunk.header.n + chunk.header.count),
    )
  }

  private hold(chunks: readonly CheckedChunk[]): void {
    for (const chunk of chunks) {
      const id = attemptKeyString(chunk.header)
      const held = this.storing.get(id)
      if (held === undefined) this.storing.set(id, new Set([chunk]))
      else held.add(chunk)
    }
  }

  private release(chunks: readonly CheckedChunk[]): void {
    for (const chunk of chunks) {
      const id = attemptKeyString(chunk.header)
      const held = this.storing.get(id)
      held?.delete(chunk)
      if (held?.size === 0) this.storing.delete(id)
    }
  }

  /** The end never moves back. */
  private remember(id: string, end: number): void {
    const known = this.ends.get(id) ?? 0
    this.ends.delete(id)
    this.ends.set(id, Math.max(known, end))
    if (this.ends.size <= MAX_STREAMS) return
    const [oldest] = this.ends.keys()
    if (oldest !== undefined) this.ends.delete(oldest)
  }
}

/** Does the chunk share lines with another one, which begins elsewhere? */
function overlap({ header: { n, count } }: CheckedChunk, otherN: number, otherCount: number): boolean {
  return n !== otherN && n < otherN + otherCount && otherN < n + count
}
