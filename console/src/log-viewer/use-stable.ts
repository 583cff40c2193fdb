import { useCallback, useLayoutEffect, useRef } from 'react'

/** A function that stays the same and does what it would do now: for parts that are not to be drawn again for each frame of scrolling. */
export function useStable<A extends unknown[], R>(work: (...args: A) => R): (...args: A) => R {
  const current = useRef(work)
  useLayoutEffect(() => {
    current.current = work
  })
  return useCallback((...args: A) => current.current(...args), [])
}
