import { useQuery, useQueryClient } from '@tanstack/react-query'
import { createContext, type ReactNode, useContext, useEffect, useMemo, useSyncExternalStore } from 'react'
import { Navigate, useLocation } from 'react-router'
import { ALL_NAMESPACES, type Grants, type Role, ROLES } from '@jobtrail/api/auth'
import { meQuery } from '../api/auth'
import { sessionToken } from '../api/session-token'
import { ErrorState, LoadingState } from '../ui/states'
import { SessionDialog } from './session-dialog'

export type UserSession = {
  name: string
  kind: 'user' | 'token'
  grants: Grants
  /** Whether the user has the role in the namespace; in all of them: `'*'`. Only to show or hide: the server decides. */
  can: (namespace: string, role: Role) => boolean
}

const SessionContext = createContext<UserSession | undefined>(undefined)

export function useSession(): UserSession {
  const session = useContext(SessionContext)
  if (session === undefined) throw new Error('useSession outside of a page that needs a session')
  return session
}

export const useSessionState = () => useSyncExternalStore(sessionToken.subscribe, () => sessionToken.state)

export function hasRole(grants: Grants, namespace: string, role: Role): boolean {
  return [grants[namespace], grants[ALL_NAMESPACES]].some((own) => own !== undefined && ROLES.indexOf(own) >= ROLES.indexOf(role))
}

/** Shows pages to those who are signed in. A session that expires later leaves the page as it is, with a dialog over it. */
export function RequireSession({ children }: { children: ReactNode }) {
  const state = useSessionState()
  const token = useSyncExternalStore(sessionToken.subscribe, () => sessionToken.value)
  const location = useLocation()
  const queries = useQueryClient()
  const me = useQuery({ ...meQuery, enabled: state !== 'signed-out' })
  useEffect(() => {
    // Another session may see other things.
    if (token !== '') void queries.invalidateQueries()
  }, [token, queries])
  const session = useMemo((): UserSession | undefined => {
    if (me.data === undefined) return undefined
    const { name, kind, grants } = me.data
    return { name, kind, grants, can: (namespace, role) => hasRole(grants, namespace, role) }
  }, [me.data])
  if (state === 'signed-out' || (state === 'expired' && session === undefined)) {
    const to = `${location.pathname}${location.search}${location.hash}`
    return <Navigate replace to={to === '/' ? '/sign-in' : `/sign-in?to=${encodeURIComponent(to)}`} />
  }
  if (session === undefined) return me.isError ? <ErrorState error={me.error} retry={() => void me.refetch()} /> : <LoadingState />
  return (
    <SessionContext value={session}>
      {children}
      <SessionDialog isOpen={state === 'expired'} name={session.name} />
    </SessionContext>
  )
}
