import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, ask, isAway, Unreachable } from '../oracle/http.js'
import { type Exact, parseExact, textOf } from '../oracle/json.js'

export const NAMESPACES = ['alpha', 'beta'] as const
export type Namespace = (typeof NAMESPACES)[number]

/** Secret words that let the bench in, by namespace. */
export interface Access {
  /** Works, and defines jobs. */
  readonly admin: Readonly<Record<Namespace, string>>
  readonly viewer: Readonly<Record<Namespace, string>>
  /** Makes a new token for workers of a namespace. */
  workerToken(namespace: string): Promise<{ id: string; token: string }>
  revokeWorkerToken(id: string): Promise<void>
}

const RETRY_MS = 250
const PATIENCE_MS = 120_000

/** Asks until somebody answers, with a new name each time; throws when the answer is an error, or nobody answers for long. */
async function insist(url: string, token: string | undefined, method: string, body?: () => unknown): Promise<Exact> {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    let answer: Answer | undefined
    try {
      answer = await ask(url, token, { method, ...(body === undefined ? {} : { body: JSON.stringify(body()) }) })
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error
    }
    if (answer !== undefined && !isAway(answer)) {
      if (answer.status >= 300 && !(method === 'DELETE' && answer.status === 404))
        throw new Error(`${method} ${url}: ${answer.status} ${answer.body.toString('utf8')}`)
      return answer.body.length === 0 || answer.status >= 300 ? null : parseExact(answer.body.toString('utf8'))
    }
    if (performance.now() > deadline) throw new Error(`${method} ${url}: no answer for ${PATIENCE_MS} ms`)
    await sleep(RETRY_MS)
  }
}

const newName = (prefix: string): string => `${prefix}-${randomBytes(4).toString('hex')}`

/** Signs in, makes the namespaces, and takes tokens for each: one that may do everything in it, and one that may only look. */
export async function signIn(url: string, password: string): Promise<Access> {
  const token = textOf(await insist(`${url}/api/auth/login`, undefined, 'POST', () => ({ username: 'admin', password })), 'accessToken')
  for (const name of NAMESPACES) await insist(`${url}/api/namespaces`, token, 'POST', () => ({ name }))
  const apiToken = async (namespace: Namespace, role: string): Promise<string> =>
    textOf(await insist(`${url}/api/api-tokens`, token, 'POST', () => ({ namespace, name: newName(role), role })), 'token')
  return {
    admin: { alpha: await apiToken('alpha', 'admin'), beta: await apiToken('beta', 'admin') },
    viewer: { alpha: await apiToken('alpha', 'viewer'), beta: await apiToken('beta', 'viewer') },
    async workerToken(namespace) {
      const made = await insist(`${url}/api/worker-tokens`, token, 'POST', () => ({ namespace, name: newName('worker') }))
      return { id: textOf(made, 'id'), token: textOf(made, 'token') }
    },
    async revokeWorkerToken(id) {
      await insist(`${url}/api/worker-tokens/${id}`, token, 'DELETE')
    },
  }
}
