import { fileURLToPath } from 'node:url'
import { waitFor } from '@jobtrail/deploy/wait'
import { RunCreated, RunsCreated } from '@jobtrail/shared/api/jobs'
import { describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createJob, handlerJob, type JobInput } from '../support/factories.js'

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
  // The edge refuses all that we know of: this stands for what we do not.
  const [{ options } = {}] = await database.listCollections({ name: 'instances' }, { nameOnly: false }).toArray()
  await database.command({ collMod: 'instances', validator: { $and: [options?.validator, { jobName: { $ne: refused.name } }] } })
  try {
    const jobs = Array.from({ length: 303 }, (_, i) => (i % 101 === 50 ? refused : i % 2 === 0 ? ours : theirs))
    const calls = await Promise.allSettled(jobs.map(({ id }) => api.post(`/api/jobs/${id}/runs`, {}, RunCreated)))
    expect(calls.map(({ status }) => status)).toEqual(jobs.map((job) => (job === refused ? 'rejected' : 'fulfilled')))
    const ids = calls.flatMap((call) => (call.status === 'fulfilled' ? [call.value.instanceId] : []))
    expect(await stored(ids)).toHaveLength(300)
    expect(await database.collection('instances').countDocuments({ jobId: { $in: jobs.map(({ id }) => id) } })).toBe(300)
  } finally {
    await database.command({ collMod: 'instances', validator: options?.validator })
  }
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
