import type { ApiClient } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { AuditPage, type AuditRecord, type WorkerTokenCreated } from '@jobtrail/api/auth'
import { WorkerPage } from '@jobtrail/api/cluster'
import { Problem } from '@jobtrail/api/common'
import { describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createAndRun, createJob, type JobInput, shellJob, uniqueName } from '../support/factories.js'
import { type PlainAnswer, plainRequest } from '../support/plain-http.js'

const cluster = useCluster({ servers: 1, workers: 1, balancer: 'nginx', serverEnv: { JOBTRAIL_LOG_LEVEL: 'debug' } })

/** Where the calls of these tests come from, to the load balancer. */
const CLIENT = '127.0.0.7'
/** Where they say that they come from. */
const PRETENDED = '203.0.113.9'
const PASSWORD = 'a-good-password'
const WAITS: Partial<JobInput> = { routing: { tags: ['nobody-has-it'] } }

type Target = AuditRecord['target']
/** A call that changes something, and what of; `target` may depend on the answer. `actor`: admin unless told. */
type Call = { method: string; path: string; body?: unknown; token?: string | undefined; actor?: string; target: Target | ((answer: { id: string }) => Target) }

function send({ method, path, body, token }: Omit<Call, 'target'>, requestId: string): Promise<PlainAnswer> {
  const headers = {
    'x-request-id': requestId,
    'x-forwarded-for': PRETENDED,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  }
  return plainRequest(new URL(path, cluster().url), { method, headers, localAddress: CLIENT, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
}

/** The lines about a request in the server's log. */
function logLines(requestId: string): Record<string, unknown>[] {
  const lines = cluster().server(0).logs().split('\n')
  return lines.filter((line) => line.includes(requestId)).map((line) => JSON.parse(line) as Record<string, unknown>)
}

async function makeNamespace(api: ApiClient): Promise<Target> {
  const name = uniqueName('ns')
  await api.post('/api/namespaces', { name })
  return { kind: 'namespace', id: name, name }
}

async function makeUser(api: ApiClient): Promise<{ username: string; target: Target }> {
  const username = uniqueName('user')
  const { id } = await api.post<{ id: string }>('/api/users', { username, password: PASSWORD })
  return { username, target: { kind: 'user', id, name: username } }
}

async function waitingRun(api: ApiClient): Promise<Target> {
  const { job, instanceId } = await createAndRun(api, shellJob('true', WAITS))
  return { kind: 'instance', id: instanceId, name: job.name }
}

async function theWorker(api: ApiClient): Promise<Target> {
  const [worker] = (await api.get('/api/workers', WorkerPage)).items
  if (worker === undefined) throw new Error('no worker has connected')
  return { kind: 'worker', id: worker.id, name: worker.name }
}

const CHANGES: Record<string, (api: ApiClient) => Promise<Call>> = {
  'job.run': async (api) => {
    const { id, name } = await createJob(api, shellJob('true', WAITS))
    return { method: 'POST', path: `/api/jobs/${id}/runs`, body: {}, target: { kind: 'job', id, name } }
  },
  'instance.cancel': async (api) => {
    const target = await waitingRun(api)
    return { method: 'POST', path: `/api/instances/${target.id}/cancel`, target }
  },
  'instance.retry': async (api) => {
    const target = await waitingRun(api)
    await api.post(`/api/instances/${target.id}/cancel`)
    return { method: 'POST', path: `/api/instances/${target.id}/retry`, target }
  },
  'namespace.create': async () => {
    const name = uniqueName('ns')
    return { method: 'POST', path: '/api/namespaces', body: { name }, target: { kind: 'namespace', id: name, name } }
  },
  'namespace.change': async (api) => {
    const target = await makeNamespace(api)
    return { method: 'PATCH', path: `/api/namespaces/${target.id}`, body: { revision: 1, description: 'changed' }, target }
  },
  'namespace.delete': async (api) => {
    const target = await makeNamespace(api)
    return { method: 'DELETE', path: `/api/namespaces/${target.id}`, target }
  },
  'worker-token.create': async () => {
    const name = uniqueName('token')
    return { method: 'POST', path: '/api/worker-tokens', body: { namespace: 'default', name }, target: ({ id }) => ({ kind: 'worker-token', id, name }) }
  },
  'worker-token.revoke': async (api) => {
    const { id, name } = await api.post<WorkerTokenCreated>('/api/worker-tokens', { namespace: 'default', name: uniqueName('token') })
    return { method: 'DELETE', path: `/api/worker-tokens/${id}`, target: { kind: 'worker-token', id, name } }
  },
  'session.begin': async (api) => {
    const { username, target } = await makeUser(api)
    return { method: 'POST', path: '/api/auth/login', body: { username, password: PASSWORD }, token: undefined, actor: username, target }
  },
  'session.end': async (api) => {
    const { username, target } = await makeUser(api)
    const { accessToken } = await api.post<{ accessToken: string }>('/api/auth/login', { username, password: PASSWORD })
    return { method: 'POST', path: '/api/auth/logout', token: accessToken, actor: username, target }
  },
  'worker.drain': async (api) => {
    const target = await theWorker(api)
    return { method: 'POST', path: `/api/workers/${target.id}/drain`, target }
  },
  'worker.undrain': async (api) => {
    const target = await theWorker(api)
    return { method: 'POST', path: `/api/workers/${target.id}/undrain`, target }
  },
}

describe('the audit log', () => {
  test.each(Object.entries(CHANGES))(
    'has who did %s to what, from where, under the request ID of the answer and of the log of the server',
    async (action, prepare) => {
      const api = await cluster().api()
      const { actor = 'admin', target, ...call } = await prepare(api)
      const requestId = uniqueName('request')
      const answer = await send({ token: api.token, ...call }, requestId)
      expect(answer.status, answer.body.toString()).toBeLessThan(300)
      expect(answer.headers['x-request-id']).toBe(requestId)
      const changed = typeof target === 'function' ? target(JSON.parse(answer.body.toString()) as { id: string }) : target
      const { items } = await api.get(`/api/audit?targetId=${changed.id}&action=${action}`, AuditPage)
      expect(items).toEqual([expect.objectContaining({ action, actor, target: changed, ip: CLIENT, requestId })])
      await waitFor(() => logLines(requestId).some(({ status }) => status === answer.status), { timeoutMs: 30_000, what: 'the line in the log of the server' })
    },
  )
})

test('what is refused has one request ID in the header, the problem and the log of the server; one that is not harmless is replaced', async () => {
  const requestId = uniqueName('request')
  const call = { method: 'GET', path: '/api/jobs' }
  const answer = await send(call, requestId)
  expect(answer).toMatchObject({ status: 401, headers: { 'x-request-id': requestId } })
  expect(Problem.parse(JSON.parse(answer.body.toString()))).toMatchObject({ requestId })
  await waitFor(() => logLines(requestId).length > 0, { timeoutMs: 30_000, what: 'the line in the log of the server' })
  expect(logLines(requestId)).toEqual([expect.objectContaining({ status: 401, path: call.path, ip: CLIENT })])

  const forged = 'x" "level": 60'
  const other = await send(call, forged)
  const replaced = other.headers['x-request-id']
  expect(replaced).toMatch(/^[\da-f-]{36}$/)
  expect(Problem.parse(JSON.parse(other.body.toString()))).toMatchObject({ requestId: replaced })
})
