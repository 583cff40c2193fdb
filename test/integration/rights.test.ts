import { existsSync, readFileSync } from 'node:fs'
import { ApiClient } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { ApiTokenCreated, AuditPage, type UserView, WorkerTokenCreated } from '@jobtrail/api/auth'
import { WorkerPage } from '@jobtrail/api/cluster'
import { FollowDenied } from '@jobtrail/api/logs'
import { CONSOLE_NAMESPACE } from '@jobtrail/api/console'
import { io, type Socket } from 'socket.io-client'
import { describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createAndRun, createJob, getInstance, runJob, shellJob, uniqueName, waitForInstance, waitForSealed } from '../support/factories.js'
import { Gate } from '../support/gate.js'
import { copyAsOld, countStored } from '../support/old-runs.js'
import { ProtocolWorker } from '../support/protocol-worker.js'

const cluster = useCluster({ servers: 2, workers: 1, serverEnv: { JOBTRAIL_LEASE_MS: '8000' } })
const PASSWORD = 'a-good-password'

/** A viewer of `default`, signed in. */
async function makeViewer(): Promise<{ user: UserView; api: ApiClient }> {
  const username = uniqueName('viewer')
  const user = await (await cluster().api()).post<UserView>('/api/users', { username, password: PASSWORD, grants: { default: 'viewer' } })
  return { user, api: await ApiClient.login(cluster().url, username, PASSWORD) }
}

type Following = { lines: number; last: { event: string; data: string } | undefined; ended: Promise<void> }

/** Follows a log over SSE until the server ends the answer. */
function followEvents(api: ApiClient, instanceId: string): Following {
  const following: Following = { lines: 0, last: undefined, ended: Promise.resolve() }
  following.ended = (async () => {
    for await (const { event, data } of api.events(`/api/instances/${instanceId}/logs/follow`)) {
      if (event === 'message') following.lines++
      following.last = { event, data }
    }
  })()
  following.ended.catch(() => undefined)
  return following
}

type SocketFollowing = { socket: Socket; lines: number; denied: string | undefined; closedBecause: string | undefined }

/** Follows a log as the console does. */
async function followSocket(api: ApiClient, instanceId: string): Promise<SocketFollowing> {
  const socket = io(`${api.baseUrl}${CONSOLE_NAMESPACE}`, { transports: ['websocket'], auth: { token: api.token }, reconnection: false, forceNew: true })
  const following: SocketFollowing = { socket, lines: 0, denied: undefined, closedBecause: undefined }
  socket.on('log.lines', ({ lines }: { lines: unknown[] }, ack: () => void) => {
    following.lines += lines.length
    ack()
  })
  socket.on('log.state', (_state: unknown, ack: () => void) => ack())
  socket.on('log.denied', ({ message }: { message: string }) => (following.denied = message))
  socket.on('disconnect', (reason) => (following.closedBecause = reason))
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('connect_error', reject))
  expect(await socket.timeout(30_000).emitWithAck('log.follow', { follow: 1, instanceId, from: 0 })).toMatchObject({ ok: true })
  return following
}

/** A run that has written a line and writes the second when the gate is opened. */
async function twoLines(): Promise<{ instanceId: string; gate: Gate }> {
  const gate = new Gate(`${cluster().dir}/${uniqueName('gate')}`)
  const { instanceId } = await createAndRun(await cluster().api(), shellJob(`echo first; ${gate.shell(1)}; echo second`))
  await waitForInstance(await cluster().api(), instanceId, 'has a line', ({ log }) => log.lines === 1)
  return { instanceId, gate }
}

const within = { timeoutMs: 30_000, intervalMs: 50 }

describe('what is being followed', () => {
  test('ends on every server when the right to it is withdrawn, and says why; what is written after that is not sent', async () => {
    const admin = await cluster().api()
    const { user, api } = await makeViewer()
    const { instanceId, gate } = await twoLines()
    const events = cluster().servers.map(({ url }) => followEvents(api.at(url), instanceId))
    const sockets = await Promise.all(cluster().servers.map(({ url }) => followSocket(api.at(url), instanceId)))
    await waitFor(() => [...events, ...sockets].every(({ lines }) => lines === 1), { ...within, what: 'the first line at all followers' })
    await admin.patch(`/api/users/${user.id}`, { grants: {} })
    await Promise.all(events.map(({ ended }) => ended))
    for (const { last } of events) {
      expect(last?.event).toBe('forbidden')
      expect(FollowDenied.parse(JSON.parse(last?.data ?? ''))).toMatchObject({ code: 'FORBIDDEN' })
    }
    await waitFor(() => sockets.every(({ denied }) => denied !== undefined), { ...within, what: 'the sockets to be told' })
    gate.openAll()
    await waitForSealed(admin, instanceId)
    for (const { lines, socket } of [...sockets]) {
      // An answer to this comes after whatever was sent before.
      expect(await socket.timeout(30_000).emitWithAck('log.follow', { follow: 2, instanceId, from: 0 })).toMatchObject({ ok: false, code: 'NOT_FOUND' })
      expect(lines).toBe(1)
      socket.disconnect()
    }
    for (const { lines } of events) expect(lines).toBe(1)
  })

  test('ends when its user is removed, and by a check of every server where no signal tells of the change', async () => {
    const admin = await cluster().api()
    const users = (await cluster().database()).collection<{ _id: string; grants: unknown[] }>('users')
    const [removed, changed] = [await makeViewer(), await makeViewer()]
    const { instanceId, gate } = await twoLines()
    const url = cluster().server(1).url
    const events = [removed, changed].map(({ api }) => followEvents(api.at(url), instanceId))
    const socket = await followSocket(removed.api.at(url), instanceId)
    await waitFor(() => [...events, socket].every(({ lines }) => lines === 1), { ...within, what: 'the first line at all followers' })
    await admin.delete(`/api/users/${removed.user.id}`)
    await users.updateOne({ _id: changed.user.id }, { $set: { grants: [] } })
    await Promise.all(events.map(({ ended }) => ended))
    expect(events.map(({ last }) => FollowDenied.parse(JSON.parse(last?.data ?? '')).code)).toEqual(['UNAUTHENTICATED', 'FORBIDDEN'])
    await waitFor(() => socket.closedBecause, { ...within, what: 'the socket of the removed user to be closed' })
    // The console takes this for the end of its session.
    expect(socket.closedBecause).toBe('io server disconnect')
    gate.openAll()
  })

  test('ends on every server when its API token is revoked, and by a check where no signal tells of it', async () => {
    const admin = await cluster().api()
    const makeToken = () => admin.post('/api/api-tokens', { namespace: 'default', name: uniqueName('token'), role: 'viewer' }, ApiTokenCreated)
    const [revoked, changed] = [await makeToken(), await makeToken()]
    const { instanceId, gate } = await twoLines()
    const urls = cluster().servers.map(({ url }) => url)
    const as = ({ token }: { token: string }) => urls.map((url) => new ApiClient(url, token))
    const events = [...as(revoked), ...as(changed)].map((api) => followEvents(api, instanceId))
    const sockets = await Promise.all(as(revoked).map((api) => followSocket(api, instanceId)))
    await waitFor(() => [...events, ...sockets].every(({ lines }) => lines === 1), { ...within, what: 'the first line at all followers' })
    await admin.delete(`/api/api-tokens/${revoked.id}`)
    const tokens = (await cluster().database()).collection<{ _id: string; revokedAt: Date | null }>('api_tokens')
    expect(await tokens.updateOne({ _id: changed.id }, { $set: { revokedAt: new Date() } })).toMatchObject({ modifiedCount: 1 })
    await Promise.all(events.map(({ ended }) => ended))
    for (const { last } of events) {
      expect(last?.event).toBe('forbidden')
      expect(FollowDenied.parse(JSON.parse(last?.data ?? ''))).toMatchObject({ code: 'UNAUTHENTICATED' })
    }
    await waitFor(() => sockets.every(({ closedBecause }) => closedBecause === 'io server disconnect'), { ...within, what: 'the sockets to be closed' })
    gate.openAll()
    await waitForSealed(admin, instanceId)
    for (const { lines } of [...events, ...sockets]) expect(lines).toBe(1)
  })

  test('a download breaks off when the right to it is withdrawn', async () => {
    const admin = await cluster().api()
    const { user, api } = await makeViewer()
    const bytes = 24_000_000
    const { instanceId } = await createAndRun(admin, shellJob(`yes "$(head -c 900 /dev/zero | tr '\\0' x)" | head -c ${bytes}`))
    await waitForSealed(admin, instanceId)
    const response = await api.at(cluster().server(1).url).raw('GET', `/api/instances/${instanceId}/logs/raw`)
    const reader = response.body?.getReader()
    expect(await reader?.read()).toMatchObject({ done: false })
    await admin.patch(`/api/users/${user.id}`, { grants: {} })
    let received = 0
    const readOn = async (): Promise<void> => {
      for (;;) {
        const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
        if (done) return
        received += value?.length ?? 0
        // Slowly, as one who reads for hours: the answer must not be over before the right to it is.
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    await expect(readOn()).rejects.toThrow(/terminated|aborted|closed/)
    expect(received).toBeLessThan(bytes)
  })
})

describe('a revoked worker token', () => {
  const connectWorker = async (url: string): Promise<{ worker: ProtocolWorker; tokenId: string }> => {
    const made = await (await cluster().api()).post('/api/worker-tokens', { namespace: 'default', name: uniqueName('token') }, WorkerTokenCreated)
    const worker = new ProtocolWorker(made.token, uniqueName('worker'), 8)
    await worker.connect(url)
    return { worker, tokenId: made.id }
  }
  const refusalOf = async (worker: ProtocolWorker) =>
    (await (await cluster().api()).get('/api/workers?limit=200', WorkerPage)).items.find(({ id }) => id === worker.workerId)?.lastRefusal

  test('ends the connections made with it on all servers; runs wait, and why the worker is away is listed', async () => {
    const api = await cluster().api(cluster().server(0).url)
    const { worker, tokenId } = await connectWorker(cluster().server(1).url)
    const job = await createJob(api, shellJob('true', { routing: { tags: [worker.tag] }, secrets: { KEY: 'secret' } }))
    const first = await runJob(api, job.id)
    await worker.assignment(first, 1)
    await api.delete(`/api/worker-tokens/${tokenId}`)
    await waitFor(() => !worker.isConnected, { ...within, what: 'the worker to be disconnected' })
    const later = await Promise.all(Array.from({ length: 6 }, () => runJob(api, job.id)))
    await expect(worker.connect(cluster().server(0).url)).rejects.toThrow(/revoked/)
    for (const id of later) expect(await getInstance(api, id)).toMatchObject({ status: 'WAITING', attempts: [] })
    expect(worker.given.map(({ instanceId }) => instanceId)).toEqual([first])
    expect(await refusalOf(worker)).toEqual({ reason: expect.stringContaining('revoked'), at: expect.any(String) })
  })

  test('ends them without a signal or a heartbeat too', async () => {
    const { worker, tokenId } = await connectWorker(cluster().server(0).url)
    expect(await refusalOf(worker)).toBeNull()
    await (await cluster().database()).collection<{ _id: string }>('worker_tokens').updateOne({ _id: tokenId }, { $set: { revokedAt: new Date() } })
    await waitFor(() => !worker.isConnected, { ...within, what: 'the worker to be disconnected' })
  })

  test('cannot be replaced with an API token', async () => {
    const api = await cluster().api()
    const { token } = await api.post<{ token: string }>('/api/api-tokens', { namespace: 'default', name: uniqueName('token'), role: 'admin' })
    const minting = new ApiClient(cluster().url, token).post('/api/worker-tokens', { namespace: 'default', name: uniqueName('token') })
    await expect(minting).rejects.toMatchObject({ status: 403, code: 'FORBIDDEN' })
  })
})

describe('a removed namespace', () => {
  const OLD_RUNS = 1_000

  test('is deleted with all that was in it, over a kill of all servers; its name is free when that is done, and a later one shows nothing of it', async () => {
    const admin = await cluster().api()
    const db = await cluster().database()
    const namespace = uniqueName('ns')
    await admin.post('/api/namespaces', { name: namespace })
    const username = uniqueName('user')
    const user = await admin.post<UserView>('/api/users', { username, password: PASSWORD, grants: { [namespace]: 'admin' } })
    const api = await ApiClient.login(cluster().url, username, PASSWORD)
    const worker = await cluster().addWorker({ token: await cluster().createWorkerToken(namespace) })
    const pidFile = `${cluster().dir}/${namespace}.pid`
    const done = await createAndRun(api, shellJob('echo "a line"', { namespace, params: { customer: 'old' } }))
    await waitForSealed(api, done.instanceId)
    const running = await createAndRun(api, shellJob(`trap '' TERM; echo $$ > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; sleep 600`, { namespace }))
    const waiting = await createAndRun(api, shellJob('true', { namespace, routing: { tags: ['nobody-has-it'] } }))
    const old = await copyAsOld(db, done.instanceId, OLD_RUNS, { namespace, madeAgo: 3 })
    await waitFor(() => existsSync(pidFile), { ...within, what: 'the run to be running' })
    for (const { job } of [done, running, waiting]) await api.delete(`/api/jobs/${job.id}`)

    await admin.delete(`/api/namespaces/${namespace}`)
    await expect(admin.post('/api/namespaces', { name: namespace })).rejects.toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('still being deleted') },
    })
    await expect(admin.delete(`/api/namespaces/${namespace}`)).rejects.toMatchObject({ status: 404 })
    await waitFor(async () => (await db.collection('instances').countDocuments({ namespace })) < OLD_RUNS, { ...within, what: 'some to be deleted' })
    await Promise.all(cluster().servers.map((server) => server.kill()))
    await Promise.all(cluster().servers.map((server) => server.start()))
    await waitFor(
      async () => {
        const answer = await admin.raw('POST', '/api/namespaces', { body: { name: namespace } })
        await answer.arrayBuffer()
        if (answer.status !== 201 && ![409, 502, 503].includes(answer.status)) throw new Error(`the name is neither taken nor free: ${answer.status}`)
        return answer.status === 201
      },
      { timeoutMs: 60_000, intervalMs: 200, what: 'the name to be free' },
    )

    const ids = [done, running, waiting].map(({ instanceId }) => instanceId)
    expect(await countStored(db, [...ids, ...old])).toEqual({ instances: 0, attempts: 0, streams: 0, chunks: 0 })
    for (const name of ['jobs', 'job_revisions', 'workers', 'worker_tokens', 'api_tokens', 'retention_revisits'])
      expect(await db.collection(name).countDocuments({ namespace }), name).toBe(0)
    const pid = Number(readFileSync(pidFile, 'utf8'))
    await waitFor(() => !existsSync(`/proc/${pid}`), { ...within, what: 'the process of the run to be ended' })
    await worker.stop()

    await admin.patch(`/api/users/${user.id}`, { grants: { [namespace]: 'admin' } })
    expect(await api.get(`/api/instances?namespace=${namespace}`)).toMatchObject({ items: [] })
    expect(await api.get(`/api/workers?namespace=${namespace}`)).toMatchObject({ items: [] })
    for (const id of ids) await expect(api.get(`/api/instances/${id}`)).rejects.toMatchObject({ status: 404 })
    const actions = async (as: ApiClient): Promise<string[]> =>
      (await as.get(`/api/audit?namespace=${namespace}&limit=200`, AuditPage)).items.map(({ action }) => action)
    expect(await actions(api)).toEqual(['namespace.create'])
    expect(await actions(admin)).toEqual(expect.arrayContaining(['job.create', 'namespace.delete']))
  })

  test('that was removed by a former version, which left its data, is deleted after the upgrade', async () => {
    const db = await cluster().database()
    const namespace = uniqueName('ns')
    const { instanceId } = await createAndRun(await cluster().api(), shellJob('echo "a line"'))
    await waitForSealed(await cluster().api(), instanceId)
    const old = await copyAsOld(db, instanceId, 3, { namespace, madeAgo: 3 })
    await cluster().server(1).stop()
    await db.collection('migrations').deleteMany({})
    await cluster().server(1).start()
    await waitFor(async () => (await countStored(db, old))['instances'] === 0, { ...within, what: 'what was left to be deleted' })
    expect(await countStored(db, [instanceId])).toMatchObject({ instances: 1, chunks: 1 })
  })
})
