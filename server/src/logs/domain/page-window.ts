import { isClosedLog, type LogState } from '@jobtrail/protocol/domain/statuses'

export type PageQuery = { from?: number | undefined; limit: number; order: 'asc' | 'desc' }
/** Lines [from, to) that a page may show, to be read from the end in descending order. */
export type PageWindow = { from: number; to: number }

/** A line number as asked for; negative ones count from the end, and the beginning is as far back as that goes. */
export const resolveLine = (from: number, total: number): number => (from >= 0 ? from : Math.max(0, total + from))

/**
 * Where a page lies in a log of `total` lines. Ascending it begins at `from` (default: the first line), descending it goes down from there (default: the last).
 * With a filter the window reaches to the end of the log, and {@link nextLine} says where the search stopped.
 */
export function pageWindow({ from, limit, order }: PageQuery, total: number, isFiltered: boolean): PageWindow {
  if (order === 'asc') {
    const start = resolveLine(from ?? 0, total)
    return { from: start, to: isFiltered ? Math.max(start, total) : Math.max(start, Math.min(total, start + limit)) }
  }
  // -1 is the last line, and of an empty log there is none.
  const top = Math.min(total - 1, from === undefined ? total - 1 : from >= 0 ? from : total + from)
  return { from: isFiltered ? 0 : Math.max(0, top + 1 - limit), to: Math.max(0, top + 1) }
}

/**
 * The `from` of the following page. `reached`: ascending the line after the last one that was looked at, descending that line itself. Null at line 0 in descending
 * order, and at the end of a sealed log or an expired one: there will never be more.
 */
export function nextLine(order: 'asc' | 'desc', reached: number, total: number, state: LogState): number | null {
  if (order === 'desc') return reached > 0 ? reached - 1 : null
  return isClosedLog(state) && reached >= total ? null : reached
}
