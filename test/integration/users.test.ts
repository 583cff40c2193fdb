import { ApiClient } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import {
  ApiTokenCreated,
  ApiTokenPage,
  AuditPage,
  Me,
  NamespacePage,
  Session,
  UserPage,
  UserView,
  WorkerTokenCreated,
  WorkerTokenPage,
} from '@jobtrail/api/auth'
import { WorkerPage } from '@jobtrail/api/cluster'
import { JobPage } from '@jobtrail/api/jobs'
import { describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createJob, shellJob, uniqueName, waitForInstance, createAndRun } from '../support/factories.js'

const cluster = useCluster({ servers: 2, workers: 0, serverEnv: { JOBTRAIL_LEASE_MS: '6000' } })
const PASSWORD = 'a-good-password'

type Grants = Record<string, string>

async function makeNamespace(prefix = 'ns'): Promise<string> {
  const name = uniqueName(prefix)
  await (await cluster().api()).post('/api/namespaces', { name })
  return name
}

/** A new user and a client that is signed in as them. */
async function makeUser(grants: Grants): Promise<{ user: UserView; api: ApiClient }> {
  const username = uniqueName('user')
  const user = await (await cluster().api()).post('/api/users', { username, password: PASSWORD, grants }, UserView)
  return { user, api: await ApiClient.login(cluster().url, username, PASSWORD) }
}

const makeToken = async (api: ApiClient, namespace: string, role: string, more: Record<string, unknown> = {}): Promise<ApiTokenCreated> =>
  api.post('/api/api-tokens', { namespace, name: uniqueName('token'), role, ...more }, ApiTokenCreated)
const bearer = (token: string): ApiClient => new ApiClient(cluster().url, token)
const meOn = async (token: string | undefined): Promise<number[]> =>
  Promise.all(
    cluster().servers.map(async ({ url }) => {
      const response = await new ApiClient(url, token).raw('GET', '/api/auth/me')
      await response.arrayBuffer()
      return response.status
    }),
  )
const refusal = (status: number, code: string): unknown => expect.objectContaining({ status, code })

describe('users', () => {
  test('are made, shown, listed page by page and removed by admins of everything, and never show a password', async () => {
    const admin = await cluster().api()
    const namespace = await makeNamespace()
    const made = await Promise.all([1, 2, 3].map(() => makeUser({ [namespace]: 'viewer' })))
    const [first] = made
    expect(first?.user).toEqual({
      id: expect.any(String),
      username: expect.any(String),
      grants: { [namespace]: 'viewer' },
      disabled: false,
      createdAt: expect.any(String),
    })
    expect(await admin.get(`/api/users/${first?.user.id}`)).toEqual(first?.user)
    const names: string[] = []
    let cursor = ''
    for (;;) {
      const page: UserPage = await admin.get(`/api/users?limit=2${cursor}`, UserPage)
      expect(page.items.length).toBeLessThanOrEqual(2)
      names.push(...page.items.map(({ username }) => username))
      if (page.next === null) break
      cursor = `&cursor=${encodeURIComponent(page.next)}`
    }
    expect(new Set(names).size).toBe(names.length)
    expect(names).toEqual(expect.arrayContaining(['admin', ...made.map(({ user }) => user.username)]))
    await expect(admin.post('/api/users', { username: first?.user.username.toUpperCase(), password: PASSWORD })).rejects.toEqual(refusal(409, 'NAME_TAKEN'))
    await expect(admin.post('/api/users', { username: uniqueName('user'), password: 'short' })).rejects.toEqual(refusal(400, 'VALIDATION_FAILED'))
    await expect(admin.post('/api/users', { username: uniqueName('user'), password: PASSWORD, grants: { nowhere: 'admin' } })).rejects.toMatchObject({
      body: { errors: [{ path: 'grants.nowhere' }] },
    })
    await admin.delete(`/api/users/${first?.user.id}`)
    await expect(admin.get(`/api/users/${first?.user.id}`)).rejects.toEqual(refusal(404, 'NOT_FOUND'))
    expect(await meOn(first?.api.token)).toEqual([401, 401])
    const audit = await admin.get(`/api/audit?targetId=${first?.user.id}`, AuditPage)
    expect(audit.items.map(({ action }) => action)).toEqual(['user.delete', 'session.begin', 'user.create'])
    expect(JSON.stringify([audit, await admin.get('/api/users')])).not.toMatch(/scrypt|password/i)
  })

  test('may do what their role in each namespace says, and see no other namespace', async () => {
    const admin = await cluster().api()
    const [a, b, c] = [await makeNamespace('a'), await makeNamespace('b'), await makeNamespace('c')]
    const jobs = {
      a: await createJob(admin, shellJob('true', { namespace: a })),
      b: await createJob(admin, shellJob('true', { namespace: b })),
      c: await createJob(admin, shellJob('true', { namespace: c })),
    }
    const { api } = await makeUser({ [a]: 'admin', [b]: 'viewer' })
    expect(await api.get('/api/auth/me', Me)).toMatchObject({ kind: 'user', grants: { [a]: 'admin', [b]: 'viewer' } })
    expect((await api.get('/api/namespaces', NamespacePage)).items.map(({ name }) => name)).toEqual([a, b].toSorted())
    expect((await api.get('/api/jobs', JobPage)).items.map(({ id }) => id).toSorted()).toEqual([jobs.a.id, jobs.b.id].toSorted())
    await createJob(api, shellJob('true', { namespace: a }))
    await expect(createJob(api, shellJob('true', { namespace: b }))).rejects.toEqual(refusal(403, 'FORBIDDEN'))
    await expect(createJob(api, shellJob('true', { namespace: c }))).rejects.toEqual(refusal(404, 'NOT_FOUND'))
    await expect(api.post(`/api/jobs/${jobs.b.id}/runs`)).rejects.toEqual(refusal(403, 'FORBIDDEN'))
    for (const path of [`/api/jobs/${jobs.c.id}`, `/api/jobs?namespace=${c}`, `/api/workers?namespace=${c}`, `/api/audit?namespace=${c}`])
      await expect(api.get(path), path).rejects.toEqual(refusal(404, 'NOT_FOUND'))
    for (const path of ['/api/users', `/api/audit?namespace=${b}`, `/api/api-tokens?namespace=${b}`])
      await expect(api.get(path), path).rejects.toEqual(refusal(403, 'FORBIDDEN'))
    for (const [path, body] of [
      ['/api/users', { username: uniqueName('user'), password: PASSWORD }],
      ['/api/namespaces', { name: uniqueName('ns') }],
    ] as const)
      await expect(api.post(path, body)).rejects.toEqual(refusal(403, 'FORBIDDEN'))
    await expect(api.delete(`/api/namespaces/${a}`)).rejects.toEqual(refusal(403, 'FORBIDDEN'))
  })

  test('with a changed role act by it at once, on every server', async () => {
    const admin = await cluster().api()
    const namespace = await makeNamespace()
    const { user, api } = await makeUser({ [namespace]: 'viewer' })
    const statusOn = async (url: string): Promise<number> => (await api.at(url).raw('POST', '/api/jobs', { body: shellJob('true', { namespace }) })).status
    for (const { url } of cluster().servers) expect(await statusOn(url)).toBe(403)
    expect((await admin.patch(`/api/users/${user.id}`, { grants: { [namespace]: 'admin' } }, UserView)).grants).toEqual({ [namespace]: 'admin' })
    for (const { url } of cluster().servers) expect(await statusOn(url)).toBe(201)
    await admin.patch(`/api/users/${user.id}`, { grants: {} })
    for (const { url } of cluster().servers) expect(await statusOn(url)).toBe(404)
  })

  test('lose their sessions by a new password, by being disabled, and one by signing out', async () => {
    const admin = await cluster().api()
    const { user, api } = await makeUser({})
    const another = await ApiClient.login(cluster().url, user.username, PASSWORD)
    await another.post('/api/auth/logout')
    expect([await meOn(api.token), await meOn(another.token)]).toEqual([
      [200, 200],
      [401, 401],
    ])
    await admin.patch(`/api/users/${user.id}`, { password: 'another-password' })
    expect(await meOn(api.token)).toEqual([401, 401])
    await expect(ApiClient.login(cluster().url, user.username, PASSWORD)).rejects.toEqual(refusal(401, 'INVALID_CREDENTIALS'))
    const again = await ApiClient.login(cluster().url, user.username, 'another-password')
    expect(await meOn(again.token)).toEqual([200, 200])
    await admin.patch(`/api/users/${user.id}`, { disabled: true })
    expect(await meOn(again.token)).toEqual([401, 401])
    await expect(ApiClient.login(cluster().url, user.username, 'another-password')).rejects.toEqual(refusal(401, 'INVALID_CREDENTIALS'))
    await admin.patch(`/api/users/${user.id}`, { disabled: false })
    expect(await meOn(again.token)).toEqual([401, 401])
    expect(await meOn((await ApiClient.login(cluster().url, user.username, 'another-password')).token)).toEqual([200, 200])
  })

  test('change their own password by their present one; it ends their other sessions and is audited', async () => {
    const namespace = await makeNamespace()
    const { user, api } = await makeUser({ [namespace]: 'admin' })
    const other = await ApiClient.login(cluster().url, user.username, PASSWORD)
    const change = (body: unknown, as = api): Promise<Session> => as.post('/api/auth/password', body, Session)
    await expect(change({ current: 'wrong-password', next: 'another-password' })).rejects.toMatchObject({
      status: 400,
      body: { errors: [{ path: 'current' }] },
    })
    await expect(change({ current: PASSWORD, next: 'short' })).rejects.toMatchObject({ status: 400, body: { errors: [{ path: 'next' }] } })
    await expect(change({ current: PASSWORD, next: PASSWORD })).rejects.toMatchObject({ status: 400, body: { errors: [{ path: 'next' }] } })
    await expect(change({ current: PASSWORD, next: 'another-password', id: user.id })).rejects.toEqual(refusal(400, 'VALIDATION_FAILED'))
    await expect(change({ current: PASSWORD, next: 'another-password' }, new ApiClient(cluster().url))).rejects.toEqual(refusal(401, 'UNAUTHENTICATED'))
    const token = await makeToken(api, namespace, 'admin')
    await expect(change({ current: PASSWORD, next: 'another-password' }, bearer(token.token))).rejects.toEqual(refusal(403, 'FORBIDDEN'))
    expect(await meOn(other.token)).toEqual([200, 200])
    const session = await change({ current: PASSWORD, next: 'another-password' })
    expect([await meOn(session.accessToken), await meOn(other.token), await meOn(api.token)]).toEqual([
      [200, 200],
      [401, 401],
      [401, 401],
    ])
    await expect(ApiClient.login(cluster().url, user.username, PASSWORD)).rejects.toEqual(refusal(401, 'INVALID_CREDENTIALS'))
    expect(await meOn((await ApiClient.login(cluster().url, user.username, 'another-password')).token)).toEqual([200, 200])
    // API tokens are no sessions.
    expect(await meOn(token.token)).toEqual([200, 200])
    const audit = await (await cluster().api()).get(`/api/audit?targetId=${user.id}&action=user.password`, AuditPage)
    expect(audit.items).toMatchObject([{ actor: user.username, target: { kind: 'user', id: user.id }, ip: expect.any(String), details: {} }])
  })

  test('who guess at their present password have to wait, and are let in again after it', async () => {
    const { api } = await makeUser({})
    const statuses: number[] = []
    for (let i = 0; i < 30 && statuses.at(-1) !== 429; i++)
      statuses.push((await api.raw('POST', '/api/auth/password', { body: { current: `wrong-${i}`, next: 'another-password' } })).status)
    expect(statuses.slice(0, -1).every((status) => status === 400)).toBe(true)
    expect(statuses.at(-1)).toBe(429)
    await waitFor(async () => (await api.raw('POST', '/api/auth/password', { body: { current: PASSWORD, next: 'another-password' } })).status === 200, {
      timeoutMs: 90_000,
      intervalMs: 500,
      what: 'the right password to be taken',
    })
  })

  test('on a device that they have signed in on before are not held up by strangers who guess at their password', async () => {
    const { user } = await makeUser({})
    const anonymous = new ApiClient(cluster().url)
    const login = (password: string, headers: Record<string, string> = {}): Promise<Response> =>
      anonymous.raw('POST', '/api/auth/login', { body: { username: user.username, password }, headers })
    const [cookie = ''] = (await login(PASSWORD)).headers.getSetCookie()
    expect(cookie).toMatch(/^jobtrail_device=[\w.-]+; .*HttpOnly; SameSite=Strict$/)
    let status = 0
    for (let i = 0; i < 30 && status !== 429; i++) status = (await login(`wrong-${i}`)).status
    expect(status).toBe(429)
    const device = { cookie: cookie.split(';')[0] ?? '' }
    expect((await login(PASSWORD, device)).status).toBe(200)
    // The cookie alone signs nobody in.
    expect((await login('wrong-password', device)).status).toBe(401)
    expect((await new ApiClient(cluster().url, device.cookie.split('=')[1]).raw('GET', '/api/auth/me')).status).toBe(401)
  })

  test('are guessed at in vain from ever new addresses, which anyone on the host of the proxy can pretend: the name waits, but never for long', async () => {
    const { user } = await makeUser({})
    const anonymous = new ApiClient(cluster().server(0).url)
    const login = (password: string, address: string): Promise<Response> =>
      anonymous.raw('POST', '/api/auth/login', { body: { username: user.username, password }, headers: { 'x-forwarded-for': address } })
    const statuses: number[] = []
    for (let round = 0; round < 12 && !statuses.includes(429); round++)
      statuses.push(...(await Promise.all(Array.from({ length: 5 }, async (_, i) => (await login('wrong-password', `203.0.${round}.${i}`)).status))))
    expect(new Set(statuses)).toEqual(new Set([401, 429]))
    const refused = await login(PASSWORD, '198.51.100.1')
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(3)
    await waitFor(async () => (await login(PASSWORD, '198.51.100.1')).status === 200, {
      timeoutMs: 30_000,
      intervalMs: 300,
      what: 'the right password to be taken',
    })
  })

  test('among whom one admin of everything is always left, also when two are removed at once', async () => {
    const admin = await cluster().api()
    const me = (await admin.get('/api/users', UserPage)).items.find(({ username }) => username === 'admin')
    for (const change of [{ disabled: true }, { grants: {} }, { grants: { '*': 'operator' } }])
      await expect(admin.patch(`/api/users/${me?.id}`, change), JSON.stringify(change)).rejects.toEqual(refusal(409, 'NOT_ALLOWED_IN_STATE'))
    await expect(admin.delete(`/api/users/${me?.id}`)).rejects.toEqual(refusal(409, 'NOT_ALLOWED_IN_STATE'))
    const { user } = await makeUser({ '*': 'admin' })
    // Each alone would be allowed.
    const results = await Promise.allSettled([
      admin.patch(`/api/users/${me?.id}`, { grants: { '*': 'operator' } }),
      admin.at(cluster().server(1).url).delete(`/api/users/${user.id}`),
    ])
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const refused = results.find((result) => result.status === 'rejected')
    // The one whose rights went with the other's change, or whose removal would leave nobody.
    expect(refused?.reason).toMatchObject({ status: expect.toSatisfy((status) => status === 403 || status === 409) })
    if (results[0]?.status === 'fulfilled') {
      const other = await ApiClient.login(cluster().url, user.username, PASSWORD)
      await other.patch(`/api/users/${me?.id}`, { grants: { '*': 'admin' } })
    }
    expect(await admin.get(`/api/users/${me?.id}`)).toMatchObject({ grants: { '*': 'admin' } })
  })
})

describe('namespaces', () => {
  test('with jobs are not removed; without, their API tokens and roles go at once, and their name stays taken while what was in them is deleted', async () => {
    const admin = await cluster().api()
    const namespace = await makeNamespace()
    const { user, api } = await makeUser({ [namespace]: 'admin' })
    const token = await makeToken(api, namespace, 'admin')
    const job = await createJob(api, shellJob('true', { namespace }))
    await expect(admin.post('/api/namespaces', { name: namespace })).rejects.toEqual(refusal(409, 'NAME_TAKEN'))
    await expect(admin.delete(`/api/namespaces/${namespace}`)).rejects.toEqual(refusal(409, 'NOT_ALLOWED_IN_STATE'))
    await api.delete(`/api/jobs/${job.id}`)
    await admin.delete(`/api/namespaces/${namespace}`)
    await expect(admin.post('/api/namespaces', { name: namespace })).rejects.toEqual(refusal(409, 'NAME_TAKEN'))
    expect((await admin.get('/api/namespaces?limit=200', NamespacePage)).items.map(({ name }) => name)).not.toContain(namespace)
    expect((await admin.get(`/api/users/${user.id}`, UserView)).grants).toEqual({})
    expect(await meOn(token.token)).toEqual([401, 401])
  })
})

describe('API tokens', () => {
  test('act in their namespace with their role, are shown once, and are listed without their secret', async () => {
    const [namespace, other] = [await makeNamespace(), await makeNamespace()]
    const { user, api } = await makeUser({ [namespace]: 'admin', [other]: 'admin' })
    const token = await makeToken(api, namespace, 'operator')
    expect(token.token).toMatch(/^jt_/)
    const me = await bearer(token.token).get('/api/auth/me', Me)
    expect(me).toEqual({ kind: 'token', name: `token:${token.name}`, grants: { [namespace]: 'operator' } })
    await expect(createJob(bearer(token.token), shellJob('true', { namespace }))).rejects.toEqual(refusal(403, 'FORBIDDEN'))
    await expect(bearer(token.token).get(`/api/jobs?namespace=${other}`)).rejects.toEqual(refusal(404, 'NOT_FOUND'))
    const listed = await waitFor(
      async () =>
        (await api.get(`/api/api-tokens?namespace=${namespace}`, ApiTokenPage)).items.find(({ id, lastUsedAt }) => id === token.id && lastUsedAt !== null),
      { timeoutMs: 30_000, what: 'the use of the token to be noted' },
    )
    expect(JSON.stringify(listed)).not.toContain(token.token.slice(10))
    const audit = await api.get(`/api/audit?namespace=${namespace}&targetId=${token.id}`, AuditPage)
    expect(audit.items).toMatchObject([{ action: 'api-token.create', actor: user.username }])
    expect(JSON.stringify(audit)).not.toContain(token.token.slice(10))
    // One that a token made would live on after that one was revoked.
    const strong = await makeToken(api, namespace, 'admin')
    await expect(makeToken(bearer(strong.token), namespace, 'viewer')).rejects.toEqual(refusal(403, 'FORBIDDEN'))
    await expect(bearer(strong.token).post('/api/auth/logout')).rejects.toEqual(refusal(403, 'FORBIDDEN'))
  })

  test('end by their time, and by being revoked on every server at once', async () => {
    const namespace = await makeNamespace()
    const { api } = await makeUser({ [namespace]: 'admin' })
    await expect(makeToken(api, namespace, 'viewer', { expiresAt: '2001-01-01T00:00:00Z' })).rejects.toMatchObject({
      body: { errors: [{ path: 'expiresAt' }] },
    })
    const lasting = await makeToken(api, namespace, 'viewer', { expiresAt: new Date(Date.now() + 3_600_000).toISOString() })
    const brief = await makeToken(api, namespace, 'viewer', { expiresAt: new Date(Date.now() + 5_000).toISOString() })
    await waitFor(async () => (await meOn(brief.token)).every((status) => status === 401), { timeoutMs: 30_000, what: 'the token to expire' })
    expect(await meOn(lasting.token)).toEqual([200, 200])
    await api.delete(`/api/api-tokens/${lasting.id}`)
    expect(await meOn(lasting.token)).toEqual([401, 401])
    await api.delete(`/api/api-tokens/${lasting.id}`)
    const { items } = await api.get(`/api/api-tokens?namespace=${namespace}`, ApiTokenPage)
    expect(items.find(({ id }) => id === lasting.id)?.revokedAt).toEqual(expect.any(String))
    const audit = await api.get(`/api/audit?namespace=${namespace}&targetId=${lasting.id}`, AuditPage)
    expect(audit.items.map(({ action }) => action)).toEqual(['api-token.revoke', 'api-token.create'])
    expect(await meOn(`${lasting.token.slice(0, -1)}${lasting.token.endsWith('A') ? 'B' : 'A'}`)).toEqual([401, 401])
  })

  test('never may more than who made them may now', async () => {
    const admin = await cluster().api()
    const namespace = await makeNamespace()
    const { user, api } = await makeUser({ [namespace]: 'admin' })
    const token = await makeToken(api, namespace, 'admin')
    const asToken = bearer(token.token)
    await createJob(asToken, shellJob('true', { namespace }))
    await admin.patch(`/api/users/${user.id}`, { grants: { [namespace]: 'viewer' } })
    expect((await asToken.get('/api/auth/me', Me)).grants).toEqual({ [namespace]: 'viewer' })
    await expect(createJob(asToken, shellJob('true', { namespace }))).rejects.toEqual(refusal(403, 'FORBIDDEN'))
    await expect(makeToken(api, namespace, 'viewer')).rejects.toEqual(refusal(403, 'FORBIDDEN'))
    await admin.patch(`/api/users/${user.id}`, { disabled: true })
    expect(await meOn(token.token)).toEqual([401, 401])
    await admin.patch(`/api/users/${user.id}`, { disabled: false, grants: {} })
    expect(await meOn(token.token)).toEqual([401, 401])
    await admin.delete(`/api/users/${user.id}`)
    const { items } = await admin.get(`/api/api-tokens?namespace=${namespace}`, ApiTokenPage)
    expect(items.find(({ id }) => id === token.id)?.revokedAt).toEqual(expect.any(String))
  })
})

describe('worker tokens', () => {
  const makeWorkerToken = async (namespace: string, more: Record<string, unknown> = {}): Promise<WorkerTokenCreated> =>
    (await cluster().api()).post('/api/worker-tokens', { namespace, name: uniqueName('token'), ...more }, WorkerTokenCreated)
  const workersOf = async (namespace: string): Promise<WorkerPage['items']> =>
    (await (await cluster().api()).get(`/api/workers?namespace=${namespace}`, WorkerPage)).items
  const waitForState = (namespace: string, state: string): Promise<unknown> =>
    waitFor(async () => (await workersOf(namespace)).some((worker) => worker.state === state), { timeoutMs: 60_000, what: `a ${state} worker in ${namespace}` })

  test('let workers into their namespace; revoked, they cut the connected worker off by its next heartbeat, for good', async () => {
    const admin = await cluster().api()
    const namespace = await makeNamespace()
    const token = await makeWorkerToken(namespace)
    const worker = await cluster().addWorker({ token: token.token })
    await waitForState(namespace, 'connected')
    await expect(bearer(token.token).get('/api/jobs')).rejects.toEqual(refusal(401, 'UNAUTHENTICATED'))
    await admin.delete(`/api/worker-tokens/${token.id}`)
    await waitForState(namespace, 'disconnected')
    await waitFor(() => worker.logs().includes('token'), { timeoutMs: 60_000, what: 'the worker to say that its token is refused' })
    expect((await workersOf(namespace)).map(({ state }) => state)).toEqual(['disconnected'])
    const { instanceId } = await createAndRun(admin, shellJob('true', { namespace }))
    await waitForInstance(admin, instanceId, 'waits for a worker', ({ waitingFor }) => waitingFor?.reason === 'no_worker')
    const { items } = await admin.get(`/api/worker-tokens?namespace=${namespace}`, WorkerTokenPage)
    expect(items).toMatchObject([{ id: token.id, revokedAt: expect.any(String) }])
    expect(JSON.stringify(items)).not.toContain(token.token.slice(10))
    await worker.kill()
  })

  test('of a group let in workers of that group only', async () => {
    const namespace = await makeNamespace()
    const token = await makeWorkerToken(namespace, { group: 'night' })
    const stranger = await cluster().addWorker({ token: token.token, args: ['--group', 'day'] })
    await waitFor(() => stranger.logs().includes('night'), { timeoutMs: 60_000, what: 'the refusal of a worker of another group' })
    const guest = await cluster().addWorker({ token: token.token, args: ['--group', 'night'] })
    await waitForState(namespace, 'connected')
    expect((await workersOf(namespace)).map(({ group }) => group)).toEqual(['night'])
    await Promise.all([stranger.kill(), guest.kill()])
  })
})
