import { useCallback } from 'react'
import { useTime } from '../app/time-zone'
import { offsetText, type Stamps } from './logic/stamps'
import type { LogStore } from './log-store'

/** What is written before a line. `start`: when the attempt began. */
export function useStamps(
  store: LogStore,
  version: number,
  stamps: Stamps,
  start: string | undefined,
  jobZone: string | undefined,
): (n: number) => string | undefined {
  const { format } = useTime(jobZone)
  return useCallback(
    (n) => {
      const line = store.pages.get(n)
      if (stamps === 'off') return undefined
      if (line === undefined) return ''
      // The date is in the title.
      if (stamps === 'absolute') return format(line.ts, 'millis').slice(11)
      const before = stamps === 'start' ? (start ?? store.pages.get(0)?.ts) : store.pages.get(n - 1)?.ts
      return before === undefined ? '' : offsetText(Date.parse(line.ts) - Date.parse(before))
    },
    // `version`: lines that were not there have come.
    [store, version, stamps, start, format], // eslint-disable-line react-hooks/exhaustive-deps
  )
}
