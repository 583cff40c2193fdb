/** Which line is shown in which row. */
export type RowMap = {
  readonly count: number
  lineAt(row: number): number
  /** The row of a line, or of the nearest one above that is shown. */
  rowOf(line: number): number
  /** Are lines left out before this row? */
  skipsBefore(row: number): boolean
}

/** Hidden lines [from, to), in order, without overlap. */
export type Hidden = readonly { from: number; to: number }[]

/** All lines but the hidden ones. */
export function foldedRows(total: number, hidden: Hidden): RowMap {
  const kept = hidden.filter(({ from, to }) => to > from && from < total)
  // Rows before each hidden range, and how many lines are hidden up to and with it.
  const rows: number[] = []
  const sums: number[] = []
  let sum = 0
  for (const { from, to } of kept) {
    rows.push(from - sum)
    sum += Math.min(to, total) - from
    sums.push(sum)
  }
  const before = (index: number): number => sums[index - 1] ?? 0
  return {
    count: total - sum,
    lineAt: (row) => row + before(upperBound(rows, row)),
    rowOf: (line) => {
      const index = upperBound(
        kept.map(({ from }) => from),
        line,
      )
      const last = kept[index - 1]
      return last !== undefined && line < last.to ? Math.max(0, last.from - before(index - 1) - 1) : line - before(index)
    },
    skipsBefore: () => false,
  }
}

/** The same between a row before line 0, which counts as line -1, and one after the last line, which counts as line `total`. */
export function borderedRows(map: RowMap, total: number, { hasHead, hasTail }: { hasHead: boolean; hasTail: boolean }): RowMap {
  if (!hasHead && !hasTail) return map
  const above = hasHead ? 1 : 0
  return {
    count: map.count + above + (hasTail ? 1 : 0),
    lineAt: (row) => (row < above ? -1 : row - above < map.count ? map.lineAt(row - above) : total),
    rowOf: (line) => (line < 0 ? 0 : map.rowOf(line) + above),
    skipsBefore: (row) => map.skipsBefore(row - above),
  }
}

/** Only some lines, in order. */
export function chosenRows(lines: readonly number[]): RowMap {
  return {
    count: lines.length,
    lineAt: (row) => lines[row] ?? -1,
    rowOf: (line) => Math.max(0, upperBound(lines, line) - 1),
    skipsBefore: (row) => row > 0 && (lines[row] ?? 0) !== (lines[row - 1] ?? 0) + 1,
  }
}

/** Matching lines with so many lines around each. */
export function withContext(matches: readonly number[], context: number, total: number): number[] {
  const lines: number[] = []
  let next = 0
  for (const match of matches) for (let n = Math.max(next, match - context); n <= match + context && n < total; n++) next = lines.push(n) > 0 ? n + 1 : next
  return lines
}

/** How many of a sorted list are at most `value`. */
export function upperBound(sorted: readonly number[], value: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] ?? 0) <= value) low = middle + 1
    else high = middle
  }
  return low
}
