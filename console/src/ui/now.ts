import { useEffect, useState } from 'react'

let timer: ReturnType<typeof setInterval> | undefined
const listeners = new Set<(now: number) => void>()

function subscribe(listener: (now: number) => void): () => void {
  listeners.add(listener)
  timer ??= setInterval(() => {
    const now = Date.now()
    for (const each of listeners) each(now)
  }, 1_000)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

/** The time, once a second: one timer for the whole page. */
export function useNow(isTicking = true): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => (isTicking ? subscribe(setNow) : undefined), [isTicking])
  return now
}
