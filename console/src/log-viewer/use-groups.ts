import { useCallback, useEffect, useMemo, useState } from 'react'
import { searchLog } from '../api/logs'
import { GROUP_PATTERN, type Group, type GroupMark, groupMark, groupsOf } from './logic/groups'
import type { LogStore } from './log-store'

const MAX_MARKS = 10_000

/** All marks of a log. Only once one was seen among the lines looked at is the whole log searched for them; those that come live are added. */
function useMarks(store: LogStore): readonly GroupMark[] {
  const [marks, setMarks] = useState<readonly GroupMark[]>([])
  useEffect(() => {
    const all = new Map<number, GroupMark>()
    const ended = new AbortController()
    let isSearched = false
    let isQueued = false
    const publish = (): void => {
      if (isQueued) return
      isQueued = true
      setTimeout(() => {
        isQueued = false
        if (!ended.signal.aborted) setMarks([...all.values()].toSorted((a, b) => a.n - b.n))
      }, 50)
    }
    const searchAll = async (): Promise<void> => {
      let from = 0
      for (;;) {
        const page = await searchLog(store.key, { q: GROUP_PATTERN, mode: 'regex', case: true, from, limit: 1_000 }, ended.signal)
        for (const { n, line } of page.matches) {
          const mark = line === undefined ? undefined : groupMark(n, line.text)
          if (mark !== undefined) all.set(n, mark)
        }
        publish()
        if (page.next === null || page.next >= page.total || all.size >= MAX_MARKS) return
        from = page.next
      }
    }
    const stop = store.onMark((mark) => {
      if (all.has(mark.n) || all.size >= MAX_MARKS) return
      all.set(mark.n, mark)
      publish()
      if (isSearched) return
      isSearched = true
      // Without the others, groups that are in view still fold.
      searchAll().catch(() => undefined)
    })
    setMarks([])
    return () => {
      stop()
      ended.abort()
    }
  }, [store])
  return marks
}

/** The groups of a log, which of them are folded, and what that hides. */
export function useGroups(store: LogStore, total: number) {
  const marks = useMarks(store)
  const [folded, setFolded] = useState<ReadonlySet<number>>(new Set())
  useEffect(() => setFolded(new Set()), [store])
  const last = marks.at(-1)
  // Only an open group grows with the log.
  const end = last?.title === undefined ? 0 : total
  const groups = useMemo(() => groupsOf(marks, end), [marks, end])
  const byStart = useMemo(() => new Map(groups.map((group) => [group.start, group])), [groups])
  const hidden = useMemo(
    () => groups.filter(({ start }) => folded.has(start)).map((group: Group) => ({ from: group.start + 1, to: group.end })),
    [groups, folded],
  )
  const toggle = useCallback(
    (start: number) =>
      setFolded((former) => {
        const next = new Set(former)
        if (!next.delete(start)) next.add(start)
        return next
      }),
    [],
  )
  const setAll = useCallback((isFolded: boolean) => setFolded(isFolded ? new Set(groups.map(({ start }) => start)) : new Set()), [groups])
  /** Unfolds what hides a line. */
  const reveal = useCallback(
    (line: number) => {
      const group = groups.find(({ start, end: stop }) => start < line && line < stop)
      if (group !== undefined && folded.has(group.start)) toggle(group.start)
    },
    [groups, folded, toggle],
  )
  return { groups, byStart, folded, hidden, toggle, setAll, reveal }
}
