import { useEffect, useMemo, useRef } from 'react'
import { PAGE_LINES } from './logic/line-pages'
import { borderedRows, chosenRows, foldedRows, type Hidden, type RowMap, withContext } from './logic/row-map'
import type { LineRange, LogStore } from './log-store'
import type { SearchRun } from './search-run'

/** Lines shown around each match. */
export const CONTEXT_LINES = 3
const AHEAD = PAGE_LINES / 4
const RETRY_MS = 1_000

/** The lines of rows [first, last], with some around: not those that are hidden between them. */
function rangesOf(rows: RowMap, first: number, last: number): LineRange[] {
  const ranges: [number, number][] = []
  for (let row = first; row <= last; row++) {
    const line = rows.lineAt(row)
    const open = ranges.at(-1)
    if (open !== undefined && line <= open[1]) open[1] = line + 1
    else ranges.push([line, line + 1])
  }
  const [head, tail] = [ranges[0], ranges.at(-1)]
  if (head !== undefined) head[0] -= AHEAD
  if (tail !== undefined) tail[1] += AHEAD
  return ranges
}

type RowsOf = {
  run: SearchRun | undefined
  runVersion: number
  /** Only what the search found, with so many lines around. */
  filter: number | undefined
  total: number
  hidden: Hidden
  hasHead: boolean
  hasTail: boolean
  /** The search found more than is held. */
  isCapped: boolean
}

/** Which lines are shown: all but folded ones, between the borders; or only what a search found. */
export function useRows({ run, runVersion, filter, total, hidden, hasHead, hasTail, isCapped }: RowsOf): RowMap {
  return useMemo(
    () =>
      run !== undefined && filter !== undefined
        ? borderedRows(chosenRows(withContext(run.matches.lines, filter, total)), total, { hasHead: false, hasTail: isCapped })
        : borderedRows(foldedRows(total, hidden), total, { hasHead, hasTail }),
    [run, runVersion, filter, total, hidden, hasHead, hasTail, isCapped], // eslint-disable-line react-hooks/exhaustive-deps
  )
}

/** Fetches what is missing of the rows in view. */
export function useNeeded(
  store: LogStore,
  version: number,
  run: SearchRun | undefined,
  filter: number | undefined,
  rows: RowMap,
  top: number,
  count: number,
): void {
  const isFetching = useRef(false)
  const first = Math.floor(top)
  useEffect(() => {
    if (!store.isReady || rows.count === 0) return
    const last = Math.min(rows.count, first + count + 1) - 1
    if (run === undefined || filter === undefined) {
      store.need(rangesOf(rows, Math.min(first, last), last))
      return
    }
    if (isFetching.current) return
    for (let row = first; row <= last; row++) {
      const n = rows.lineAt(row)
      if (n >= store.status.total || store.pages.firstMissing(n, n + 1) === undefined) continue
      isFetching.current = true
      run
        .around(Math.max(0, n - filter), filter)
        .then(
          (lines) => store.put(lines),
          // The rows are still in view, or others are: whichever are by then.
          () => setTimeout(() => store.put([]), RETRY_MS),
        )
        .finally(() => {
          isFetching.current = false
        })
      return
    }
  }, [store, version, run, filter, rows, first, count])
}
