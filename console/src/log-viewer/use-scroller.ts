import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'
import { flushSync } from 'react-dom'
import { clampTop, isScaled, maxTop, moveBy, type Scale, scrollHeight, scrollOfTop, topOfScroll } from './logic/scroll-scale'

export const ROW_HEIGHT = 20

export type Scroller = {
  viewport: RefObject<HTMLDivElement | null>
  /** Row at the upper edge, with a fraction. */
  top: number
  height: number
  scale: Scale
  scrollHeight: number
  scrollTo: (top: number) => void
  /** By the reader: stops following when it goes up. */
  scrollBy: (pixels: number) => void
  /** Set by whoever draws the rows. */
  isAtEnd: RefObject<boolean>
  heightOf: RefObject<(row: number) => number>
  maxTop: number
}

const heightNow = (element: HTMLElement): number => Math.max(ROW_HEIGHT, element.clientHeight)

type Options = { rows: number; isFlexible: boolean; isFollowing: boolean; onFollow: (isFollowing: boolean) => void }

/** The place in a log of any length, kept in rows; the browser's scroll bar stands for it. */
export function useScroller({ rows, isFlexible, isFollowing, onFollow }: Options): Scroller {
  const viewport = useRef<HTMLDivElement>(null)
  const [height, setHeight] = useState(600)
  const [top, setTop] = useState(0)
  const place = useRef(0)
  const ownScroll = useRef(-1)
  const isAtEnd = useRef(false)
  const heightOf = useRef((_row: number) => ROW_HEIGHT)
  const scale: Scale = { rowHeight: ROW_HEIGHT, rows, viewport: height, isFlexible }
  const current = useRef(scale)
  const follow = useRef({ isFollowing, onFollow })
  useLayoutEffect(() => {
    current.current = scale
    follow.current = { isFollowing, onFollow }
  })

  const show = useCallback((next: number, isOwn: boolean) => {
    const clamped = clampTop(current.current, next)
    place.current = clamped
    setTop(clamped)
    const element = viewport.current
    if (!isOwn || element === null) return
    element.scrollTop = scrollOfTop(current.current, clamped)
    ownScroll.current = element.scrollTop
  }, [])

  const byReader = useCallback(
    (next: number, isOwn: boolean) => {
      const before = place.current
      show(next, isOwn)
      if (place.current < before - 0.01) {
        if (follow.current.isFollowing) follow.current.onFollow(false)
      } else if (!follow.current.isFollowing && (isAtEnd.current || place.current >= maxTop(current.current) - 0.5)) follow.current.onFollow(true)
    },
    [show],
  )
  const scrollTo = useCallback((next: number) => show(next, true), [show])
  const scrollBy = useCallback((pixels: number) => byReader(moveBy(current.current, place.current, pixels, heightOf.current), true), [byReader])

  useEffect(() => {
    const element = viewport.current
    if (element === null) return
    let frame = 0
    let wheeled = 0
    const onScroll = (): void => {
      if (Math.abs(element.scrollTop - ownScroll.current) < 1.5) return
      // The element has another height and so another place by itself, not by the reader; the rows are about to be drawn for it.
      if (heightNow(element) !== current.current.viewport) return
      ownScroll.current = -1
      // This event comes once a frame, before it is painted: the rows are to be in the same frame.
      flushSync(() => byReader(topOfScroll(current.current, element.scrollTop), false))
    }
    const onWheel = (event: WheelEvent): void => {
      // Where a pixel of the scroll bar is not a pixel of rows, the wheel still moves by pixels.
      if (event.ctrlKey || event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) return
      if (!current.current.isFlexible && !isScaled(current.current)) return
      event.preventDefault()
      if (wheeled === 0)
        frame = requestAnimationFrame(() => {
          const pixels = wheeled
          wheeled = 0
          flushSync(() => scrollBy(pixels))
        })
      wheeled += event.deltaY * (event.deltaMode === 1 ? ROW_HEIGHT : event.deltaMode === 2 ? element.clientHeight : 1)
    }
    const observer = new ResizeObserver(() => setHeight(heightNow(element)))
    observer.observe(element)
    element.addEventListener('scroll', onScroll, { passive: true })
    element.addEventListener('wheel', onWheel, { passive: false })
    return () => {
      cancelAnimationFrame(frame)
      observer.disconnect()
      element.removeEventListener('scroll', onScroll)
      element.removeEventListener('wheel', onWheel)
    }
  }, [byReader, scrollBy])

  const end = maxTop(scale)
  useLayoutEffect(() => {
    if (isFollowing) show(maxTop(current.current), true)
    else if (place.current > maxTop(current.current) || isScaled(current.current)) show(place.current, true)
  }, [isFollowing, end, show])

  return { viewport, top, height, scale, scrollHeight: scrollHeight(scale), scrollTo, scrollBy, isAtEnd, heightOf, maxTop: end }
}
