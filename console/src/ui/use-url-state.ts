import { useCallback } from 'react'
import { useSearchParams } from 'react-router'

export type UrlPatch = Readonly<Record<string, string | undefined>>

/** The query of the URL, and a way to change some of it; '' and undefined remove. Typing does not fill the history. */
export function useUrlState(): [URLSearchParams, (patch: UrlPatch) => void] {
  const [search, setSearch] = useSearchParams()
  const change = useCallback(
    (patch: UrlPatch) => {
      setSearch(
        () => {
          // As it is now: the router knows it as of the last render, and would undo a change that came after that.
          const next = new URLSearchParams(window.location.search)
          for (const [name, value] of Object.entries(patch)) {
            if (value === undefined || value === '') next.delete(name)
            else next.set(name, value)
          }
          return next
        },
        { replace: true },
      )
    },
    [setSearch],
  )
  return [search, change]
}
