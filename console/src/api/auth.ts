import { queryOptions } from '@tanstack/react-query'
import { type ChangePassword, Me, Session } from '@jobtrail/api/auth'
import { api } from './client'
import { sessionToken } from './session-token'

export const meQuery = queryOptions({ queryKey: ['me'], queryFn: ({ signal }) => api.get('/api/auth/me', { signal }, Me), staleTime: 60_000 })

/** Signs in; what waits for a session goes on. */
export async function signIn(username: string, password: string): Promise<void> {
  const { accessToken } = await api.post('/api/auth/login', { body: { username, password } }, Session)
  sessionToken.set(accessToken)
}

/** Ends all sessions of the user; this page goes on with the one that is answered. */
export async function changePassword(change: ChangePassword): Promise<void> {
  const { accessToken } = await api.post('/api/auth/password', { body: change }, Session)
  sessionToken.set(accessToken)
}

/** Ends the session here even if the server cannot be told. */
export async function signOut(): Promise<void> {
  try {
    if (sessionToken.state === 'signed-in') await api.post('/api/auth/logout')
  } finally {
    sessionToken.set('')
  }
}
