import { useCallback, useEffect } from 'react'
import { useSearchParams } from 'react-router'
import { ALL_NAMESPACES } from '@jobtrail/shared/api/auth'
import { useSession } from './session'
import { readStorage, writeStorage } from './stored'

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

/** Writes the namespace into the URL of a page that was reached without. */
export function useNamespaceInUrl(): void {
  const [search, setSearch] = useSearchParams()
  const { namespace } = useNamespace()
  const isMissing = !search.has(PARAM)
  useEffect(() => {
    ofTab = namespace
    if (!isMissing) return
    setSearch(
      (former) => {
        const next = new URLSearchParams(former)
        next.set(PARAM, namespace)
        return next
      },
      { replace: true },
    )
  }, [isMissing, namespace, setSearch])
}
