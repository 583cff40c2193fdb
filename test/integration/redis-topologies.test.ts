import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { waitFor } from '@jobtrail/deploy/wait'
import { WorkerPage } from '@jobtrail/api/cluster'
import { RunsCreated } from '@jobtrail/api/jobs'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createJob, handlerJob } from '../support/factories.js'
import { type RedisTopology, startRedisCluster, startSentinels } from '../support/redis-topologies.js'

const HANDLERS = ['--handlers', fileURLToPath(new URL('../support/handlers.mjs', import.meta.url))]
/** Each set of tags is a route, and so a queue, of which a Redis Cluster has some on every node. */
const TAGS = ['a', 'b', 'c']
const ROUTES = [[], ['a'], ['b'], ['c'], ['a', 'b'], ['a', 'c'], ['b', 'c'], ['a', 'b', 'c']]
const BATCHES = 30
const RUNS = 5

describe.each([
  ['Sentinels', startSentinels],
  ['a Redis Cluster', startRedisCluster],
])('with %s', (_name, start) => {
  let dir = ''
  let redis: RedisTopology | undefined
  const running = (): RedisTopology => {
    if (redis === undefined) throw new Error('Redis is there only while tests run')
    return redis
  }
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'jobtrail-redis-'))
    redis = await start(dir)
  }, 120_000)
  const cluster = useCluster({ servers: 2, workers: 1, slots: 50, workerArgs: [...HANDLERS, '--tags', TAGS.join(',')], redisUrl: () => running().url })
  afterAll(async () => {
    await redis?.stop()
    await rm(dir, { recursive: true, force: true })
  })

  const instances = async () => (await cluster().database()).collection<{ _id: string; status: string; attempt: number }>('instances')

  async function makeJobs(): Promise<string[]> {
    const api = await cluster().api()
    return Promise.all(ROUTES.map(async (tags) => (await createJob(api, handlerJob('noop', { routing: { tags } }))).id))
  }

  async function runAll(jobs: readonly string[], runs: number): Promise<string[]> {
    const api = await cluster().api()
    const created = await Promise.all(jobs.map((id) => api.post(`/api/jobs/${id}/runs/bulk`, { runs: Array.from({ length: runs }, () => ({})) }, RunsCreated)))
    return created.flatMap(({ instanceIds }) => instanceIds)
  }

  async function waitUntilRun(ids: readonly string[]): Promise<void> {
    const stored = await instances()
    const left = () => stored.countDocuments({ _id: { $in: [...ids] }, status: { $ne: 'SUCCEEDED' } })
    await waitFor(async () => (await left()) === 0, { timeoutMs: 90_000, what: `${ids.length} runs to end`, intervalMs: 200 })
    expect(await stored.countDocuments({ _id: { $in: [...ids] }, attempt: 1 })).toBe(ids.length)
  }

  test('every run is made once while a primary is killed under load, and comes back as a replica', async () => {
    const jobs = await makeJobs()
    const before = await running().primaries()
    const [victim = 0] = before
    const ids: string[] = []
    for (let batch = 0; batch < BATCHES; batch++) {
      ids.push(...(await runAll(jobs, RUNS)))
      if (batch === BATCHES / 3) await running().kill(victim)
    }
    await waitFor(async () => (await running().primaries()).length === before.length, { timeoutMs: 60_000, what: 'a replica to take over' })
    ids.push(...(await runAll(jobs, RUNS)))
    await waitUntilRun(ids)
    running().restart(victim)
    await waitFor(async () => !(await running().primaries()).includes(victim), { timeoutMs: 30_000, what: 'the old primary to follow the new one' })
    await waitUntilRun(await runAll(jobs, RUNS))
  })

  test('what waits on a node that is emptied is queued again', async () => {
    const api = await cluster().api()
    const [worker] = (await api.get('/api/workers', WorkerPage)).items
    await api.post(`/api/workers/${worker?.id}/drain`)
    const ids = await runAll(await makeJobs(), RUNS)
    const stored = await instances()
    const queued = () => stored.countDocuments({ _id: { $in: ids }, queued: true })
    await waitFor(async () => (await queued()) === ids.length, { timeoutMs: 30_000, what: 'all to be queued' })
    const [port = 0] = await running().primaries()
    const node = new Redis({ host: '127.0.0.1', port })
    await node.flushall()
    node.disconnect()
    await api.post(`/api/workers/${worker?.id}/undrain`)
    await waitUntilRun(ids)
  })
})
