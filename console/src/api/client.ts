import type { z } from 'zod'
import { USER_MEMBERS } from '@jobtrail/api/jobs'
import { parseExact, stringifyExact } from '@jobtrail/api/exact-json'
import { ApiProblem, problemOf } from './problem'
import { sessionToken } from './session-token'

type QueryValue = string | number | boolean | readonly string[] | null | undefined
export type RequestOptions = {
  query?: Readonly<Record<string, QueryValue>>
  body?: unknown
  signal?: AbortSignal
  /** The answer may take any time once it has begun. */
  isStream?: boolean
}

const TIMEOUT_MS = 30_000

/** The path with its query; members that are undefined, null or '' are left out, lists are joined by commas. */
export function withQuery(path: string, query: RequestOptions['query'] = {}): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)) continue
    search.set(key, Array.isArray(value) ? value.join(',') : String(value))
  }
  return search.size === 0 ? path : `${path}?${search}`
}

async function send(method: string, path: string, { query, body, signal, isStream }: RequestOptions, token: string): Promise<Response> {
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(), TIMEOUT_MS)
  try {
    const response = await fetch(withQuery(path, query), {
      method,
      headers: { ...(token === '' ? {} : { Authorization: `Bearer ${token}` }), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
      body: body === undefined ? undefined : stringifyExact(body),
      signal: signal === undefined ? timeout.signal : AbortSignal.any([signal, timeout.signal]),
    })
    if (isStream === true) clearTimeout(timer)
    return response
  } catch (error) {
    if (signal?.aborted === true) throw error
    throw new ApiProblem(0, 'UNAVAILABLE', timeout.signal.aborted ? 'No answer within 30 seconds' : 'The server cannot be reached')
  }
}

/** The response of a call, good ones only; one that the session has expired for is made again once the user has signed in again. */
export async function fetchApi(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
  for (;;) {
    const token = sessionToken.value
    const response = await send(method, path, options, token)
    if (response.ok) return response
    const problem = await problemOf(response)
    if (problem.code !== 'UNAUTHENTICATED' || token === '') throw problem
    if (!(await sessionToken.renewed(token))) throw problem
  }
}

async function call<T>(method: string, path: string, options: RequestOptions, schema: z.ZodType<T> | undefined): Promise<T> {
  const response = await fetchApi(method, path, options)
  if (schema === undefined) return undefined as T
  const parsed = schema.safeParse(parseExact(await response.text(), USER_MEMBERS))
  if (!parsed.success)
    throw new ApiProblem(
      response.status,
      'BAD_ANSWER',
      `The answer of ${method} ${path} is not as expected: ${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`,
    )
  return parsed.data
}

/** Calls of the API: `path` begins with /api; throws {@link ApiProblem}. */
export const api = {
  get: <T>(path: string, options: RequestOptions, schema: z.ZodType<T>): Promise<T> => call('GET', path, options, schema),
  post: <T = void>(path: string, options: RequestOptions = {}, schema?: z.ZodType<T>): Promise<T> => call('POST', path, options, schema),
  patch: <T>(path: string, options: RequestOptions, schema: z.ZodType<T>): Promise<T> => call('PATCH', path, options, schema),
  delete: (path: string, options: RequestOptions = {}): Promise<void> => call<void>('DELETE', path, options, undefined),
}
