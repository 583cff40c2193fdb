import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WORKER_MAIN } from '@jobtrail/deploy/paths'
import { genesisDigest } from '@jobtrail/shared/log/codec'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { waitFor, withTimeout } from '@jobtrail/deploy/wait'
import { WorkerPage, type WorkerView } from '@jobtrail/shared/api/cluster'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createAndRun, getInstance, logPage, shellJob, uniqueName, waitForEnd, waitForSealed } from '../support/factories.js'
import { ProtocolWorker } from '../support/protocol-worker.js'

const cluster = useCluster({ servers: 2, workers: 1 })
let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'jobtrail-identity-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

/** Runs a worker until it ends by itself. */
async function workerEnd(spoolDir: string, token: string, prefix: readonly string[] = []): Promise<{ code: number | null; log: string }> {
  const worker = [process.execPath, WORKER_MAIN, '--server', cluster().url, '--spool-dir', spoolDir, '--name', 'second']
  const child = spawn('env', [...prefix, ...worker], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], JOBTRAIL_TOKEN: token, JOBTRAIL_REFUSED_EXIT_MS: '1500' },
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (log += bytes.toString()))
  const ended = new Promise<number | null>((resolve, reject) => child.once('close', resolve).once('error', reject))
  try {
    return { code: await withTimeout(ended, 60_000, 'the second worker to end'), log }
  } finally {
    child.kill('SIGKILL')
  }
}

async function workerView(id: string): Promise<WorkerView | undefined> {
  return WorkerPage.parse(await (await cluster().api()).get('/api/workers')).items.find((each) => each.id === id)
}

async function realWorkerId(): Promise<string> {
  const page = WorkerPage.parse(await (await cluster().api()).get('/api/workers'))
  const found = page.items.find(({ name }) => name === 'worker-0')
  if (found === undefined) throw new Error('worker-0 is not listed')
  return found.id
}

/** A run that goes on until it has written 40 lines. */
const talker = () => shellJob('i=0; while [ $i -lt 40 ]; do echo "line $i"; i=$((i+1)); sleep 0.1; done', { retry: { maxRetries: 3, backoffMs: 0 } })

test('a copy of a spool folder that is in use is turned away, and the run of its original goes on as if nothing had been', async () => {
  const api = await cluster().api()
  const { instanceId } = await createAndRun(api, talker())
  await waitFor(async () => (await logPage(api, instanceId)).total > 3, { timeoutMs: 30_000, what: 'some lines' })
  const copy = join(dir, 'copy')
  // Whole, with what says which process the run is; but for the lock, which would keep a worker on the same machine out. `cp -a` takes pipes, too.
  await promisify(execFile)('cp', ['-a', cluster().worker(0).spoolDir, copy])
  await rm(join(copy, 'worker.lock'))
  expect(await readFile(join(copy, 'runs', `${instanceId}_0_1`, 'group'), 'utf8')).toMatch(/^\d+ /)
  const second = await workerEnd(copy, await cluster().createWorkerToken())
  expect(second.code).toBe(3)
  expect(second.log).toContain('this spool folder was copied or moved')
  expect(second.log).toContain('is in use by a worker that is alive')
  expect(second.log).toContain('the servers refuse this worker')
  const sealed = await waitForSealed(api, instanceId)
  expect(sealed).toMatchObject({ status: 'SUCCEEDED', attempt: 1, log: { state: 'sealed', lines: 40 } })
})

test('a worker that died is replaced at once by one on the same folder, which is another process', async () => {
  const id = await realWorkerId()
  const former = await workerView(id)
  await cluster().worker(0).kill()
  cluster().worker(0).start()
  // Until it is noticed that the former one is gone, it is listed as connected.
  const isNew = async (): Promise<boolean> => {
    const worker = await workerView(id)
    return worker?.state === 'connected' && worker.connectedAt !== former?.connectedAt
  }
  await waitFor(isNew, { timeoutMs: 20_000, what: 'the new process to be connected' })
})

/** A worker that dies before any server has let it in. */
async function dieUnwelcomed(spoolDir: string): Promise<void> {
  const child = spawn(process.execPath, [WORKER_MAIN, '--server', 'http://127.0.0.1:9', '--spool-dir', spoolDir], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'], JOBTRAIL_TOKEN: 'jtw_any' },
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  try {
    let log = ''
    child.stderr.on('data', (bytes: Buffer) => (log += bytes.toString()))
    await waitFor(() => log.includes('not connected'), { timeoutMs: 30_000, what: 'it to find no server' })
  } finally {
    child.kill('SIGKILL')
    await ended
  }
}

test('a worker that dies again and again before it is let in is let in at once in the end: it names the process that servers know', async () => {
  const id = await realWorkerId()
  const worker = cluster().worker(0)
  const former = await workerView(id)
  await worker.kill()
  for (let deaths = 0; deaths < 2; deaths++) await dieUnwelcomed(worker.spoolDir)
  worker.start()
  const isNew = async (): Promise<boolean> => {
    const view = await workerView(id)
    return view?.state === 'connected' && view.connectedAt !== former?.connectedAt
  }
  await waitFor(isNew, { timeoutMs: 60_000, what: 'the new process to be connected' })
  expect(worker.logs()).not.toContain('the servers refuse this worker')
})

// A lock from another PID namespace is unit-tested too (worker/src/identity.spec.ts).
test('two workers in different PID namespaces cannot share a folder, though neither sees the process of the other', async (context) => {
  context.skip(process.getuid?.() !== 0, 'a PID namespace of its own needs root')
  const second = await workerEnd(cluster().worker(0).spoolDir, await cluster().createWorkerToken(), ['unshare', '--pid', '--fork', '--mount-proc'])
  expect(second.code).toBe(2)
  expect(second.log).toContain('in another container')
  expect(cluster().worker(0).isRunning).toBe(true)
})

test("a token of one group cannot take over another group's worker, and what it says of that worker's run is not heard", async () => {
  const api = await cluster().api()
  const group = uniqueName('group')
  const { token } = await api.post<{ token: string }>('/api/worker-tokens', { namespace: 'default', name: group, group })
  const { instanceId } = await createAndRun(api, talker())
  await waitFor(async () => (await getInstance(api, instanceId)).status === 'RUNNING', { timeoutMs: 30_000, what: 'the run to start' })
  const thief = new ProtocolWorker(token, 'thief')
  thief.workerId = await realWorkerId()
  await expect(thief.connect(cluster().url, [{ instanceId, task: 0, attempt: 1 }], { group })).rejects.toThrow('another group')
  await expect(thief.finished({ instanceId, task: 0, attempt: 1 }, { chunks: 0, lines: 0, bytes: 0, digest: '0'.repeat(64) })).rejects.toThrow('HELLO_FIRST')
  thief.disconnect()
  expect(await waitForEnd(api, instanceId)).toMatchObject({ status: 'SUCCEEDED', attempt: 1 })
})

test('nobody takes over a worker that may be alive, connected or not, whichever server they ask; who knows that it is dead need not wait', async () => {
  const token = await cluster().createWorkerToken()
  const first = new ProtocolWorker(token, uniqueName('owner'))
  await first.connect(cluster().server(0).url)
  const second = new ProtocolWorker(token, first.tag)
  second.workerId = first.workerId
  for (const { url } of cluster().servers) await expect(second.connect(url)).rejects.toThrow('in use by a worker that is alive')
  expect(first.isConnected).toBe(true)
  await first.heartbeat([])
  first.disconnect()
  const isAway = async (): Promise<boolean> => (await workerView(first.workerId))?.state === 'disconnected'
  await waitFor(isAway, { timeoutMs: 20_000, what: 'its end to be noticed' })
  for (const { url } of cluster().servers) await expect(second.connect(url)).rejects.toThrow('in use by a worker that is alive')
  await first.connect(cluster().server(1).url)
  first.restart()
  await first.connect(cluster().server(0).url)
  first.disconnect()
})

test('a second hello on a connection is refused and changes nothing: what was sent over it is not placed again', async () => {
  const api = await cluster().api()
  const worker = new ProtocolWorker(await cluster().createWorkerToken(), uniqueName('twice'))
  await worker.connect(cluster().url)
  const { instanceId } = await createAndRun(api, shellJob('true', { routing: { tags: [worker.tag] } }))
  const key = await worker.assignment(instanceId, 1)
  await expect(worker.hello()).rejects.toThrow('VALIDATION_FAILED hello: was said on this connection already')
  expect(await worker.heartbeat([key])).toMatchObject({ stop: [] })
  expect(await worker.finished(key, { chunks: 0, lines: 0, bytes: 0, digest: genesisDigest(key) })).toBe('ok')
  expect(await waitForEnd(api, instanceId)).toMatchObject({ status: 'SUCCEEDED', attempt: 1 })
  expect(worker.given).toHaveLength(1)
  worker.disconnect()
})

test('a process that was replaced while its server was frozen reports nothing of what its successor was given', async () => {
  const api = await cluster().api()
  const token = await cluster().createWorkerToken()
  const former = new ProtocolWorker(token, uniqueName('replaced'))
  await former.connect(cluster().server(0).url)
  const successor = former.successor()
  cluster().server(0).freeze()
  try {
    await successor.connect(cluster().server(1).url)
    const { instanceId } = await createAndRun(api.at(cluster().server(1).url), shellJob('true', { routing: { tags: [former.tag] } }))
    const key = await successor.assignment(instanceId, 1)
    // Waits in the frozen server, before the news that it was replaced.
    const nothing = { chunks: 0, lines: 0, bytes: 0, digest: genesisDigest(key) }
    const said = former.finished(key, nothing).catch((error: unknown) => error)
    await setImmediate()
    cluster().server(0).thaw()
    expect(await said).not.toBe('ok')
    expect(await getInstance(api, instanceId)).toMatchObject({ status: 'RUNNING', attempt: 1 })
    expect(await successor.finished(key, nothing)).toBe('ok')
    expect(await waitForEnd(api, instanceId)).toMatchObject({ status: 'SUCCEEDED', attempt: 1 })
  } finally {
    cluster().server(0).thaw()
    former.disconnect()
    successor.disconnect()
  }
})

test('a worker whose token is revoked says so, ends with a status of its own, and is listed with the reason', async () => {
  const api = await cluster().api()
  const { id, token } = await api.post<{ id: string; token: string }>('/api/worker-tokens', { namespace: 'default', name: uniqueName('revoked') })
  const end = workerEnd(join(dir, 'revoked'), token)
  const view = await waitFor(
    async () => WorkerPage.parse(await api.get('/api/workers')).items.find(({ name, state }) => name === 'second' && state === 'connected'),
    {
      timeoutMs: 30_000,
      what: 'the worker to connect',
    },
  )
  await api.delete(`/api/worker-tokens/${id}`)
  const { code, log } = await end
  expect(code).toBe(3)
  expect(log).toContain('token: revoked')
  expect((await workerView(view.id))?.lastRefusal?.reason).toContain('revoked')
})
