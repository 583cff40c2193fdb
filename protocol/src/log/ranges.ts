import type { LineRange } from './chunk.js'

/** Merges chunk positions, sorted by `n`, into runs of lines without a gap. */
export function mergeRanges(chunks: Iterable<{ n: number; count: number }>): LineRange[] {
  const ranges: LineRange[] = []
  for (const { n, count } of chunks) {
    const last = ranges.at(-1)
    if (last !== undefined && last.to === n) last.to = n + count
    else ranges.push({ from: n, to: n + count })
  }
  return ranges
}

/** What is missing of [0, lines) when `stored` (sorted, without overlap) is there. */
export function missingRanges(stored: readonly LineRange[], lines: number): LineRange[] {
  const missing: LineRange[] = []
  let at = 0
  for (const range of stored) {
    if (range.from >= lines) break
    if (range.from > at) missing.push({ from: at, to: range.from })
    at = Math.max(at, range.to)
  }
  if (at < lines) missing.push({ from: at, to: lines })
  return missing
}
