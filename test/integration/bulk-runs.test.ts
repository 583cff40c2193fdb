import { fileURLToPath } from 'node:url'
import { waitFor } from '@jobtrail/deploy/wait'
import { RunCreated, RunsCreated } from '@jobtrail/shared/api/jobs'
import { ChunkBuilder } from '@jobtrail/shared/log/chunk-builder'
import { describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createJob, getInstance, handlerJob, type JobInput, runJob, shellJob, uniqueName } from '../support/factories.js'
import { ProtocolWorker } from '../support/protocol-worker.js'
import { storedIds } from '../support/stored-ids.js'
import { whileRefused } from '../support/while-refused.js'

const HANDLERS = ['--handlers', fileURLToPath(new URL('../support/handlers.mjs', import.meta.url))]
const LATE_WORKER = 2
const cluster = useCluster({
  servers: 2,
  workers: 2,
  slots: 8,
  workerArgs: (index) => [...HANDLERS, ...(index === LATE_WORKER ? ['--tags', 'late'] : [])],
})

type Stored = { _id: string; status: string; attempt: number }

async function runMany(job: Partial<JobInput>, count: number): Promise<string[]> {
  const api = await cluster().api()
  const { id } = await createJob(api, handlerJob('noop', job))
  return (await api.post(`/api/jobs/${id}/runs/bulk`, { runs: Array.from({ length: count }, () => ({})) }, RunsCreated)).instanceIds
}

const stored = async (ids: string[]): Promise<Stored[]> => {
  const database = await cluster().database()
  return database
    .collection<Stored>('instances')
    .find({ _id: { $in: ids } })
    .toArray()
}

/** The names of the workers that ran the instances, one for each attempt. */
async function workersOf(ids: string[]): Promise<string[]> {
  const database = await cluster().database()
  const attempts = await database
    .collection<{ workerName: string }>('attempts')
    .find({ '_id.instance': { $in: ids } })
    .toArray()
  return attempts.map(({ workerName }) => workerName)
}

async function waitForSuccess(ids: string[]): Promise<void> {
  await waitFor(async () => (await stored(ids)).every(({ status }) => status === 'SUCCEEDED'), {
    timeoutMs: 60_000,
    what: `${ids.length} runs that succeed`,
  })
}

test('calls that MongoDB refuses fail alone: those that share a write with them, of whatever namespace, do not', async () => {
  const api = await cluster().api(cluster().server(0).url)
  const database = await cluster().database()
  await api.post('/api/namespaces', { name: 'bystander' })
  const [refused, ours, theirs] = [
    await createJob(api, handlerJob('noop')),
    await createJob(api, handlerJob('noop')),
    await createJob(api, handlerJob('noop', { namespace: 'bystander' })),
  ]
  await whileRefused(database, 'instances', { jobName: { $ne: refused.name } }, async () => {
    const jobs = Array.from({ length: 303 }, (_, i) => (i % 101 === 50 ? refused : i % 2 === 0 ? ours : theirs))
    const calls = await Promise.allSettled(jobs.map(({ id }) => api.post(`/api/jobs/${id}/runs`, {}, RunCreated)))
    expect(calls.map(({ status }) => status)).toEqual(jobs.map((job) => (job === refused ? 'rejected' : 'fulfilled')))
    const ids = calls.flatMap((call) => (call.status === 'fulfilled' ? [call.value.instanceId] : []))
    expect(await stored(ids)).toHaveLength(300)
    expect(await database.collection('instances').countDocuments({ jobId: { $in: jobs.map(({ id }) => id) } })).toBe(300)
  })
})

test('a chunk or an end that MongoDB refuses costs no other of its message; of the end only what describes it is left out', async () => {
  const api = await cluster().api()
  const database = await cluster().database()
  const worker = new ProtocolWorker(await cluster().createWorkerToken(), uniqueName('refused'), 9)
  await worker.connect(cluster().url)
  const job = await createJob(api, shellJob('true', { routing: { tags: [worker.tag] } }))
  const ids = await Promise.all(Array.from({ length: 9 }, () => runJob(api, job.id)))
  const keys = await Promise.all(ids.map((id) => worker.assignment(id, 1)))
  const streams = keys.map((key) => {
    const builder = new ChunkBuilder(key)
    builder.add(Buffer.from('kept'), 0, Date.now())
    return { chunk: builder.close() ?? expect.fail('no chunk'), totals: builder.closedTotals }
  })
  const chunks = streams.map(({ chunk }) => chunk)
  const bad = ids[4]
  const each = <T>(ofBad: T, ofOthers: T): T[] => ids.map((id) => (id === bad ? ofBad : ofOthers))
  await whileRefused(database, 'log_chunks', { '_id.instance': { $not: storedIds(bad === undefined ? [] : [bad]) } }, async () => expect(await worker.log(chunks)).toEqual(each('refused', 'ok')))
  expect(await worker.log(chunks)).toEqual(each('ok', 'dup'))

  const ends = keys.map(({ instanceId, task, attempt }, i) => ({
    ...{ instanceId, task, attempt, startedAt: Date.now(), finishedAt: Date.now(), exitCode: 3, signal: null, log: streams[i]?.totals },
    ...(instanceId === bad ? { status: 'FAILED', error: 'poison', result: null } : { status: 'SUCCEEDED', error: null, result: { i } }),
  }))
  await whileRefused(database, 'attempts', { error: { $ne: 'poison' } }, async () => {
    expect(await worker.finishedAll(ends)).toEqual({ results: each('ok', 'ok') })
  })
  for (const [i, id] of ids.entries()) {
    const seen = await getInstance(api, id)
    const result =
      id === bad
        ? { status: 'FAILED', result: null, error: expect.stringContaining('could not be stored') }
        : { status: 'SUCCEEDED', result: { i }, error: null }
    expect(seen).toMatchObject({ ...result, attempt: 1, attempts: [{ status: result.status, error: result.error, exitCode: 3, log: { lines: 1 } }] })
  }
  worker.disconnect()
})

// Such runs share BullMQ jobs, 25 to a job of 1,000: more than a worker has slots.
describe('runs asked for in one call', () => {
  test('run once each, on all workers', async () => {
    const ids = await runMany({}, 1_000)
    await waitForSuccess(ids)
    const workers = await workersOf(ids)
    expect(workers).toHaveLength(1_000)
    expect(new Set(workers).size).toBe(2)
  })

  test('go on one after another when their job allows few at a time', async () => {
    const ids = await runMany({ maxConcurrent: 2 }, 100)
    await waitForSuccess(ids)
    expect(await workersOf(ids)).toHaveLength(100)
  })

  test('that were cancelled while they waited do not run, those beside them do', async () => {
    const api = await cluster().api()
    const ids = await runMany({ routing: { tags: ['late'] } }, 200)
    const cancelled = ids.filter((_, i) => i % 50 === 3)
    for (const id of cancelled) await api.post(`/api/instances/${id}/cancel`)
    await cluster().addWorker()
    await waitForSuccess(ids.filter((id) => !cancelled.includes(id)))
    expect((await stored(cancelled)).map(({ status, attempt }) => [status, attempt])).toEqual(cancelled.map(() => ['CANCELLED', 0]))
    expect(await workersOf(ids)).toHaveLength(ids.length - cancelled.length)
  })
})
