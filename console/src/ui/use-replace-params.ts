import { useCallback } from 'react'
import { useSearchParams } from 'react-router'

/** Changes some parameters of the URL, without a new entry in the history; '', null and undefined remove one. */
export function useReplaceParams(): (change: Readonly<Record<string, string | null | undefined>>) => void {
  const [, setSearch] = useSearchParams()
  return useCallback(
    (change) => {
      setSearch(
        (former) => {
          const next = new URLSearchParams(former)
          for (const [key, value] of Object.entries(change)) {
            if (value === null || value === undefined || value === '') next.delete(key)
            else next.set(key, value)
          }
          return next
        },
        { replace: true },
      )
    },
    [setSearch],
  )
}
