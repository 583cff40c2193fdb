import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { useLocation, useNavigate } from 'react-router'
import { readStorage, writeStorage } from '../../../app/stored'
import { hashOf, type LineSelection, parseHash } from '../../../log-viewer/logic/line-hash'
import { STAMPS, type Stamps } from '../../../log-viewer/logic/stamps'
import type { ChangeView, ViewState } from '../../../log-viewer/view-state'

const STAMPS_KEY = 'jobtrail.log.stamps'
const WRAP_KEY = 'jobtrail.log.wrap'
const asStamps = (text: string | null): Stamps | undefined => STAMPS.find((stamps) => stamps === text)
const FLAG = '1'

/** What the URL says of the log: search, display, attempt, selected lines. What it does not say of the display is as it was last time. */
export function useLogView() {
  const location = useLocation()
  const navigate = useNavigate()
  // Others may rewrite the URL's query without its hash while the page loads.
  const [selection, setSelected] = useState(() => parseHash(location.hash))
  const here = useRef({ search: location.search, hash: hashOf(selection) })
  here.current = { search: location.search, hash: hashOf(selection) }
  const go = useCallback(
    (change: (search: URLSearchParams) => void, hash: string) => {
      const search = new URLSearchParams(window.location.search)
      change(search)
      void navigate({ search: search.toString(), hash }, { replace: true, preventScrollReset: true })
    },
    [navigate],
  )
  useEffect(() => {
    const parsed = parseHash(location.hash)
    if (parsed !== undefined) setSelected((former) => (hashOf(former) === hashOf(parsed) ? former : parsed))
  }, [location.hash])

  const view = useMemo((): ViewState => {
    const search = new URLSearchParams(location.search)
    const is = (name: string): boolean => search.get(name) === FLAG
    return {
      q: search.get('q') ?? '',
      isRegex: is('regex'),
      isCaseSensitive: is('case'),
      onlyMatches: is('only'),
      onlyStderr: is('stderr'),
      stamps: asStamps(search.get('times')) ?? asStamps(readStorage(STAMPS_KEY)) ?? 'off',
      isWrapped: search.has('wrap') ? is('wrap') : readStorage(WRAP_KEY) === FLAG,
    }
  }, [location.search])
  const onView = useCallback<ChangeView>(
    (change) => {
      if (change.stamps !== undefined) writeStorage(STAMPS_KEY, change.stamps)
      if (change.isWrapped !== undefined) writeStorage(WRAP_KEY, change.isWrapped ? FLAG : '')
      go((search) => {
        const set = (name: string, value: string | boolean | undefined): void => {
          if (value === undefined) return
          if (value === '' || value === false) search.delete(name)
          else search.set(name, value === true ? FLAG : value)
        }
        set('q', change.q)
        set('regex', change.isRegex)
        set('case', change.isCaseSensitive)
        set('only', change.onlyMatches)
        set('stderr', change.onlyStderr)
        set('times', change.stamps)
        // Said either way: a link shows the same to whoever follows it.
        if (change.isWrapped !== undefined) search.set('wrap', change.isWrapped ? FLAG : '0')
      }, here.current.hash)
    },
    [go],
  )
  const onSelection = useCallback(
    (next: LineSelection | undefined, ofAttempt: number | undefined) => {
      setSelected(next)
      go((search) => (ofAttempt === undefined ? search.delete('attempt') : search.set('attempt', String(ofAttempt))), hashOf(next))
    },
    [go],
  )
  const search = new URLSearchParams(location.search)
  const attempt = Number(search.get('attempt'))
  const setAttempt = useCallback(
    (next: number | undefined) => {
      setSelected(undefined)
      go((params) => (next === undefined ? params.delete('attempt') : params.set('attempt', String(next))), '')
    },
    [go],
  )
  const setIsFull = useCallback((isFull: boolean) => go((params) => (isFull ? params.set('full', FLAG) : params.delete('full')), here.current.hash), [go])
  return {
    view,
    onView,
    selection,
    onSelection,
    attempt: Number.isInteger(attempt) && attempt > 0 ? attempt : undefined,
    setAttempt,
    isFull: search.get('full') === FLAG,
    setIsFull,
  }
}
