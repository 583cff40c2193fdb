import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import type { SearchTerms } from '../api/logs'
import type { LogStore } from './log-store'
import { SearchRun } from './search-run'
import type { ViewState } from './view-state'

const noSubscription = () => () => undefined

/** What a view searches for: its text, or with `onlyStderr` alone every line of stderr. */
function termsOf({ q, isRegex, isCaseSensitive, onlyStderr }: ViewState): SearchTerms | undefined {
  if (q === '' && !onlyStderr) return undefined
  return { q: q === '' ? '^' : q, mode: q === '' || isRegex ? 'regex' : 'text', case: isCaseSensitive, stream: onlyStderr ? 'stderr' : undefined }
}

/** The search that a view asks for, and which of its matches is the current one. */
export function useSearch(store: LogStore, view: ViewState) {
  const { q, isRegex, isCaseSensitive, onlyStderr } = view
  const run = useMemo(() => {
    const terms = termsOf({ q, isRegex, isCaseSensitive, onlyStderr, onlyMatches: false, stamps: 'off', isWrapped: false })
    return terms === undefined ? undefined : new SearchRun(store.key, terms)
  }, [store, q, isRegex, isCaseSensitive, onlyStderr])
  useEffect(() => run?.start(), [run])
  const version = useSyncExternalStore(run?.subscribe ?? noSubscription, run?.getVersion ?? (() => 0))
  const [index, setIndex] = useState<number>()
  useEffect(() => setIndex(undefined), [run])
  const { total } = store.status
  useEffect(() => run?.grew(total), [run, total, version])
  /** Goes to the next or former match; when there is no current one, from `line`. */
  const step = useCallback(
    (by: 1 | -1, line: number): number | undefined => {
      if (run === undefined || run.matches.lines.length === 0) return undefined
      const from = run.matches.indexFrom(line)
      const next = index !== undefined ? run.matches.step(index, by) : by === 1 ? from : run.matches.step(from, -1)
      setIndex(next)
      return run.matches.lines[next]
    },
    [run, index],
  )
  return { run, version, index, step }
}
