import { useLayoutEffect, useRef } from 'react'
import type { Group } from './logic/groups'
import type { Matches } from './logic/matches'
import type { LineSelection } from './logic/line-hash'
import type { RowMap } from './logic/row-map'
import { LogRow, type RowActions } from './LogRow'
import type { LogStore } from './log-store'
import { ROW_HEIGHT, type Scroller } from './use-scroller'
import type { Borders } from './view-state'

type Props = {
  store: LogStore
  scroller: Scroller
  rows: RowMap
  stampOf: (n: number) => string | undefined
  matches: Matches | undefined
  current: number | undefined
  groups: ReadonlyMap<number, Group>
  folded: ReadonlySet<number>
  expanded: ReadonlySet<number>
  selection: LineSelection | undefined
  borders: Borders
  actions: RowActions
}

const MAX_HEIGHTS = 5_000

/** The rows that are in view. Their place is set by hand after they are laid out: only then are the heights of wrapped ones known. */
export function LogRows({ store, scroller, rows, stampOf, matches, current, groups, folded, expanded, selection, borders, actions }: Props) {
  const { top, height, scale, isAtEnd, heightOf } = scroller
  const element = useRef<HTMLDivElement>(null)
  const heights = useRef(new Map<number, number>())
  const count = Math.ceil(height / ROW_HEIGHT) + 1
  const first = Math.floor(top)
  // Near the end there have to be enough rows above to fill the window.
  const from = Math.max(0, Math.min(first, rows.count - count))
  const to = Math.min(rows.count, first + count)
  const { isFlexible } = scale
  const slots = Math.max(1, to - from)
  useLayoutEffect(() => {
    const list = element.current
    if (list === null) return
    let shift = (top - from) * ROW_HEIGHT
    let all = (to - from) * ROW_HEIGHT
    if (isFlexible) {
      const known = heights.current
      if (known.size > MAX_HEIGHTS) known.clear()
      const measured = [...list.children].map((child) => (child as HTMLElement).offsetHeight)
      measured.forEach((each, i) => (each === ROW_HEIGHT ? known.delete(rows.lineAt(from + i)) : known.set(rows.lineAt(from + i), each)))
      heightOf.current = (row) => known.get(rows.lineAt(row)) ?? ROW_HEIGHT
      all = measured.reduce((sum, each) => sum + each, 0)
      shift = measured.slice(0, first - from).reduce((sum, each) => sum + each, 0) + (top - first) * (measured[first - from] ?? ROW_HEIGHT)
    } else heightOf.current = () => ROW_HEIGHT
    const isLast = to >= rows.count
    if (isLast) shift = Math.max(0, Math.min(shift, all - height))
    isAtEnd.current = isLast && shift >= all - height - 1
    list.style.transform = `translateY(${-shift}px)`
  })
  return (
    <div ref={element} role="list" className="lv-rows">
      {Array.from({ length: Math.max(0, to - from) }, (_, i) => {
        const n = rows.lineAt(from + i)
        if (n < 0 || n >= store.status.total)
          return (
            <div key={n < 0 ? 'head' : 'tail'} role="listitem" className="lv-border">
              {n < 0 ? borders.head : borders.tail}
            </div>
          )
        return (
          <LogRow
            // A row that leaves lends its place to one that comes: elements are changed, not made.
            key={(from + i) % slots}
            n={n}
            line={store.pages.get(n)}
            stamp={stampOf(n)}
            hits={matches?.placesIn(n)}
            group={groups.get(n)}
            isFolded={folded.has(n)}
            isExpanded={expanded.has(n)}
            isSelected={selection !== undefined && selection.from <= n && n <= selection.to}
            isCurrent={n === current}
            isAfterSkip={rows.skipsBefore(from + i)}
            total={store.status.total}
            actions={actions}
          />
        )
      })}
    </div>
  )
}
