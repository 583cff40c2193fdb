import { useCallback, useEffect } from 'react'
import { useLocation, useNavigate, useSearchParams } from 'react-router'
import { ALL_NAMESPACES } from '@jobtrail/api/auth'
import { useSession } from './session'
import { readStorage, writeStorage } from './stored'
import { useTimeZone, useZoneOfUrl, ZONE_PARAM } from './time-zone'

const KEY = 'jobtrail.namespace'
const PARAM = 'ns'
/** The last one of this tab: links within the console need not name it. */
let ofTab: string | undefined

/** The namespace that pages are about: `?ns=` in the URL, so that a link shows the same to a colleague. */
export function useNamespace(): { namespace: string; setNamespace: (namespace: string) => void } {
  const [search, setSearch] = useSearchParams()
  const { grants } = useSession()
  const own = Object.keys(grants).find((name) => name !== ALL_NAMESPACES)
  const stored = ofTab ?? readStorage(KEY)
  const remembered = stored !== null && (grants[ALL_NAMESPACES] !== undefined || grants[stored] !== undefined) ? stored : undefined
  const namespace = search.get(PARAM) ?? remembered ?? (grants[ALL_NAMESPACES] === undefined ? own : undefined) ?? 'default'
  const setNamespace = useCallback(
    (name: string) => {
      ofTab = name
      writeStorage(KEY, name)
      // Filters and cursors of one namespace mean nothing in another.
      setSearch({ [PARAM]: name })
    },
    [setSearch],
  )
  return { namespace, setNamespace }
}

/** Writes the namespace into the URL of a page that was reached without, and the time zone of times where it was chosen. */
export function useChoicesInUrl(): void {
  useZoneOfUrl()
  const { mode } = useTimeZone()
  const { search, hash } = useLocation()
  const navigate = useNavigate()
  const { namespace } = useNamespace()
  useEffect(() => {
    ofTab = namespace
    const next = new URLSearchParams(search)
    const given = next.size
    if (!next.has(PARAM)) next.set(PARAM, namespace)
    if (mode !== 'browser' && !next.has(ZONE_PARAM)) next.set(ZONE_PARAM, mode)
    if (next.size === given) return
    // With the hash: it may say which lines of a log the page is to open at.
    void navigate({ search: next.toString(), hash }, { replace: true, preventScrollReset: true })
  }, [search, hash, namespace, mode, navigate])
}
