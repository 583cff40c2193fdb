import { useQuery } from '@tanstack/react-query'
import { type RefObject, useEffect, useRef, useState } from 'react'
import { type InstanceFilters, instancesQuery } from '../../../api/instances'
import { type LiveRows, liveRows } from './live-rows'

const PAGE = 50
const MOST = 250
const TOP_PX = 80
const NOTHING: LiveRows = { rows: [], waiting: 0 }

/** True while the user looks at or holds on to a row: then none may move. */
function isHeld(table: HTMLElement | null): boolean {
  if (window.scrollY > TOP_PX || document.querySelector('.ant-modal-wrap:not([style*="display: none"])') !== null) return true
  return table !== null && (table.matches(':hover') || table.contains(document.activeElement))
}

/** The newest instances of a filter, live, without rows that move under the user's hand. To be used with the filter as key. */
export function useLiveInstances(namespace: string, filters: InstanceFilters, table: RefObject<HTMLElement | null>, isHolding: boolean) {
  const [limit, setLimit] = useState(PAGE)
  const [shown, setShown] = useState(NOTHING)
  const query = useQuery(instancesQuery(namespace, filters, limit))
  const { data, dataUpdatedAt, isPlaceholderData } = query
  const holding = useRef(isHolding)
  useEffect(() => {
    holding.current = isHolding
  }, [isHolding])
  useEffect(() => {
    if (data === undefined) return
    setShown((former) => liveRows(former.rows, data.items, data.next === null, !holding.current && !isHeld(table.current)))
    // With each poll, also one that brings nothing new: the user may have let go meanwhile.
  }, [data, dataUpdatedAt, table])
  const showNew = (): void => {
    if (data !== undefined) setShown(liveRows([], data.items, data.next === null, true))
    window.scrollTo({ top: 0 })
  }
  const hasMore = data !== undefined && data.next !== null
  return {
    ...shown,
    query,
    showNew,
    isLoadingMore: isPlaceholderData,
    loadMore: hasMore && limit < MOST ? () => setLimit(limit + PAGE * 2) : undefined,
    isCut: hasMore && limit >= MOST,
  }
}
