import { join } from 'node:path'
import { ApiClient } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { AuditPage } from '@jobtrail/api/auth'
import { WorkerPage, WorkerView } from '@jobtrail/api/cluster'
import { afterEach, describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createAndRun, createJob, getInstance, runJob, shellJob, uniqueName, waitForEnd, waitForInstance } from '../support/factories.js'
import { Gate } from '../support/gate.js'

const cluster = useCluster({ servers: 2, workers: 1, slots: 4 })

async function theWorker(api?: ApiClient): Promise<WorkerView> {
  const [worker] = (await (api ?? (await cluster().api())).get('/api/workers', WorkerPage)).items
  if (worker === undefined) throw new Error('no worker has connected')
  return worker
}

const waitForWorker = (what: string, condition: (worker: WorkerView) => boolean): Promise<WorkerView> =>
  waitFor(
    async () => {
      const worker = await theWorker()
      return condition(worker) ? worker : undefined
    },
    { timeoutMs: 60_000, what: `the worker: ${what}`, intervalMs: 50 },
  )

const isConnected = ({ state }: WorkerView): boolean => state === 'connected'
const isDraining = ({ state }: WorkerView): boolean => state === 'draining'

/** A client of the server that the worker is connected to, or of the other one. */
async function server(which: 'its' | 'other'): Promise<ApiClient> {
  const { serverId } = await theWorker()
  const found = cluster().servers.find(({ name }) => (name === serverId) === (which === 'its'))
  if (found === undefined) throw new Error(`no ${which} server`)
  return cluster().api(found.url)
}

const drain = (api: ApiClient, id: string): Promise<WorkerView> => api.post(`/api/workers/${id}/drain`, undefined, WorkerView)
const undrain = (api: ApiClient, id: string): Promise<WorkerView> => api.post(`/api/workers/${id}/undrain`, undefined, WorkerView)

afterEach(async () => {
  const worker = await theWorker()
  if (worker.isDrainWanted) await undrain(await cluster().api(), worker.id)
  await waitForWorker('is connected', isConnected)
})

describe.each(['its', 'other'] as const)('a worker drained through %s server', (which) => {
  test('takes nothing new, finishes what runs, stays, and is taken back', async () => {
    const api = await cluster().api()
    const { id, name } = await theWorker()
    const gate = new Gate(join(cluster().dir, `gate-${which}`))
    const { instanceId: running, job } = await createAndRun(api, shellJob(`echo begins; ${gate.shell(1)}; echo ends`))
    await waitForInstance(api, running, 'prints', ({ log }) => log.lines === 1)

    expect(await drain(await server(which), id)).toMatchObject({ id, isDrainWanted: true, state: 'draining' })
    await waitForWorker('says what remains', (worker) => isDraining(worker) && worker.running === 1 && worker.freeSlots === 0)
    const later = await runJob(api, job.id)
    expect((await getInstance(api, later)).waitingFor).toEqual({
      reason: 'draining',
      message: `Every worker that could run it is draining: ${name}; undrain one, or start another`,
      workers: [name],
      workerCount: 1,
    })
    gate.open()
    expect(await waitForEnd(api, running)).toMatchObject({ status: 'SUCCEEDED', attempt: 1 })
    await waitForWorker('is idle', (worker) => isDraining(worker) && worker.running === 0)
    // It had free slots for a heartbeat and more: the other one was due all the time.
    expect(await getInstance(api, later)).toMatchObject({ status: 'WAITING', attempt: 0 })

    expect(await undrain(await server(which), id)).toMatchObject({ isDrainWanted: false })
    expect(await waitForEnd(api, later)).toMatchObject({ status: 'SUCCEEDED', attempt: 1, attempts: [{ workerId: id }] })
    const { items } = await api.get(`/api/audit?targetId=${id}&limit=2`, AuditPage)
    expect(items).toMatchObject([
      { action: 'worker.undrain', target: { kind: 'worker', id, name } },
      { action: 'worker.drain', actor: 'admin' },
    ])
  })
})

describe('a drained worker', () => {
  test('is so still on another server, after a restart of its server, and after its own', async () => {
    const { id, serverId } = await theWorker()
    const job = await createJob(await cluster().api(), shellJob('echo done'))
    await drain(await server('its'), id)
    const first = cluster().servers.find(({ name }) => name === serverId)
    await first?.kill()
    await waitForWorker('is on the other server', (worker) => worker.serverId !== serverId && worker.serverId !== null && isDraining(worker))
    await first?.start()
    const second = cluster().servers.find(({ name }) => name !== serverId)
    await second?.stop()
    await second?.start()
    await waitForWorker('is back on the first server', (worker) => worker.serverId === serverId && isDraining(worker))
    const waiting = await runJob(await cluster().api(), job.id)

    const { connectedAt } = await theWorker()
    await cluster().worker(0).kill()
    cluster().worker(0).start()
    await waitForWorker('is back itself', (worker) => worker.connectedAt !== connectedAt && isDraining(worker))
    expect(await getInstance(await cluster().api(), waiting)).toMatchObject({ status: 'WAITING', attempt: 0, waitingFor: { reason: 'draining' } })
    await undrain(await cluster().api(), id)
    expect(await waitForEnd(await cluster().api(), waiting)).toMatchObject({ status: 'SUCCEEDED', attempt: 1 })
  })

  test('that was drained or undrained while it was away hears of it when it is back', async () => {
    const api = await cluster().api()
    const { id } = await theWorker()
    await cluster().worker(0).stop()
    await waitForWorker('is away', ({ state }) => state === 'disconnected')
    expect(await drain(api, id)).toMatchObject({ isDrainWanted: true, state: 'disconnected' })
    cluster().worker(0).start()
    await waitForWorker('is drained', isDraining)
    await cluster().worker(0).stop()
    await undrain(api, id)
    cluster().worker(0).start()
    const { instanceId } = await createAndRun(api, shellJob('echo done'))
    expect(await waitForEnd(api, instanceId)).toMatchObject({ status: 'SUCCEEDED' })
  })
})

test('draining is for operators of the namespace, and of a worker that there is', async () => {
  const admin = await cluster().api()
  const { id } = await theWorker()
  const as = async (grants: Record<string, string>): Promise<ApiClient> => {
    const username = uniqueName('user')
    await admin.post('/api/users', { username, password: 'a-good-password', grants })
    return ApiClient.login(cluster().url, username, 'a-good-password')
  }
  await expect(drain(await as({ default: 'viewer' }), id)).rejects.toMatchObject({ status: 403 })
  await expect(drain(await as({}), id)).rejects.toMatchObject({ status: 404 })
  await expect(drain(admin, crypto.randomUUID())).rejects.toMatchObject({ status: 404 })
  await expect(drain(admin, 'no-id')).rejects.toMatchObject({ status: 400 })
  expect(await drain(await as({ default: 'operator' }), id)).toMatchObject({ isDrainWanted: true })
})
