import { useEffect, useMemo, useSyncExternalStore } from 'react'
import { live, type LiveState } from '../api/live'
import { PAGE_LINES } from './logic/line-pages'
import { LogStore } from './log-store'

/** The log of one attempt, and a number that changes with it. */
export function useLogStore(instanceId: string, attempt: number, isPinned: boolean, firstLine: number | undefined): { store: LogStore; version: number } {
  // Pinned or not later: the lines are the same.
  const store = useMemo(() => new LogStore({ instanceId, task: 0, attempt }, isPinned), [instanceId, attempt]) // eslint-disable-line react-hooks/exhaustive-deps
  // Only where it is opened: later jumps fetch what they need.
  useEffect(() => store.open(firstLine ?? -PAGE_LINES), [store]) // eslint-disable-line react-hooks/exhaustive-deps
  const version = useSyncExternalStore(store.subscribe, store.getVersion)
  return { store, version }
}

export const useLiveState = (): LiveState => useSyncExternalStore(live.subscribe, live.getState)
