import { useEffect, useMemo, useRef } from 'react'
import { PAGE_LINES } from './logic/line-pages'
import { borderedRows, chosenRows, foldedRows, type Hidden, type RowMap, withContext } from './logic/row-map'
import type { LogStore } from './log-store'
import type { SearchRun } from './search-run'

/** Lines shown around each match. */
export const CONTEXT_LINES = 3
const AHEAD = PAGE_LINES / 4

type RowsOf = {
  run: SearchRun | undefined
  runVersion: number
  /** Only what the search found, with so many lines around. */
  filter: number | undefined
  total: number
  hidden: Hidden
  hasHead: boolean
  hasTail: boolean
}

/** Which lines are shown: all but folded ones, between the borders; or only what a search found. */
export function useRows({ run, runVersion, filter, total, hidden, hasHead, hasTail }: RowsOf): RowMap {
  return useMemo(
    () =>
      run !== undefined && filter !== undefined
        ? chosenRows(withContext(run.matches.lines, filter, total))
        : borderedRows(foldedRows(total, hidden), total, { hasHead, hasTail }),
    [run, runVersion, filter, total, hidden, hasHead, hasTail], // eslint-disable-line react-hooks/exhaustive-deps
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
      store.need(rows.lineAt(Math.min(first, last)) - AHEAD, rows.lineAt(last) + AHEAD)
      return
    }
    if (isFetching.current) return
    for (let row = first; row <= last; row++) {
      const n = rows.lineAt(row)
      if (store.pages.firstMissing(n, n + 1) === undefined) continue
      isFetching.current = true
      run
        .around(Math.max(0, n - filter), filter)
        .then(
          (lines) => store.put(lines),
          () => undefined,
        )
        .finally(() => {
          isFetching.current = false
        })
      return
    }
  }, [store, version, run, filter, rows, first, count])
}
