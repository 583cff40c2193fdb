import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { ApiClient } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { Readiness } from '@jobtrail/protocol/wire/health'
import { ServerPage } from '@jobtrail/api/cluster'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createAndRun, createJob, handlerJob, runJob, shellJob, waitForEnd, waitForInstance, waitForSealed } from '../support/factories.js'
import { LogFollower } from '../support/follow.js'
import { Gate } from '../support/gate.js'
import { readMetric, readMetrics } from '../support/metrics.js'

const cluster = useCluster({ servers: 1, workers: 1, slots: 1, balancer: 'none', mongoMembers: 1 })

/** Probes need no sign-in. */
async function probe(path: string): Promise<{ status: number; body: unknown }> {
  const response = await new ApiClient(cluster().url).raw('GET', path)
  return { status: response.status, body: await response.json() }
}
const readiness = async (): Promise<Readiness & { httpStatus: number }> => {
  const { status, body } = await probe('/health/ready')
  return { ...Readiness.parse(body), httpStatus: status }
}
const waitForReadiness = (what: string, condition: (ready: Readiness & { httpStatus: number }) => boolean): Promise<Readiness & { httpStatus: number }> =>
  waitFor(
    async () => {
      const ready = await readiness()
      return condition(ready) ? ready : undefined
    },
    { timeoutMs: 60_000, what },
  )

test('a server that has all it needs is live and ready', async () => {
  expect(await probe('/health/live')).toEqual({ status: 200, body: { status: 'live' } })
  expect(await readiness()).toEqual({ httpStatus: 200, status: 'ready', mongodb: 'ok', redis: 'ok' })
})

test('a client or load balancer that is gone before its request is read does no harm', async () => {
  const { hostname, port } = new URL(cluster().url)
  const client = connect(Number(port), hostname)
  await once(client, 'connect')
  expect(await probe('/health/live')).toMatchObject({ status: 200 })
  const server = cluster().server(0)
  server.freeze()
  try {
    await new Promise((resolve) => client.write('GET /health/ready HTTP/1.1\r\nHost: jobtrail\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n', resolve))
    client.resetAndDestroy()
    await once(client, 'close')
  } finally {
    server.thaw()
  }
  for (let i = 0; i < 3; i++) expect(await readiness()).toMatchObject({ httpStatus: 200 })
  expect(server.logs()).not.toContain('TypeError')
})

test('without Redis it says so and stays ready, since it still shows logs and takes runs', async () => {
  const api = await cluster().api()
  const job = await createJob(api, shellJob('echo late'))
  await cluster().redis.kill()
  const ready = await waitForReadiness('Redis to be missed', ({ redis }) => redis !== 'ok')
  expect(ready).toMatchObject({ httpStatus: 200, status: 'ready', mongodb: 'ok' })
  expect((await probe('/health/live')).status).toBe(200)
  const instanceId = await runJob(api, job.id)
  await cluster().redis.start()
  await waitForReadiness('Redis to be back', ({ redis }) => redis === 'ok')
  expect((await waitForEnd(api, instanceId)).status).toBe('SUCCEEDED')
})

test('runs that wait when Redis is emptied are queued again, and run in the order of their making', async () => {
  const api = await cluster().api()
  const gate = new Gate(join(cluster().dir, 'gate-redis'))
  const running = await createAndRun(api, shellJob(gate.shell(1)))
  await waitForInstance(api, running.instanceId, 'runs', ({ status }) => status === 'RUNNING')
  const job = await createJob(api, shellJob('true'))
  const ids: string[] = []
  for (let i = 0; i < 4; i++) ids.push(await runJob(api, job.id))
  const redis = new Redis(cluster().redisUrl)
  const countQueued = async (): Promise<number> => {
    const queues = await redis.keys('*:prioritized')
    return (await Promise.all(queues.map((queue) => redis.zcard(queue)))).reduce((sum, count) => sum + count, 0)
  }
  try {
    await waitFor(async () => (await countQueued()) === ids.length, { timeoutMs: 60_000, what: 'the runs to be queued' })
    await cluster().redis.flush()
    await waitFor(async () => (await countQueued()) === ids.length, { timeoutMs: 60_000, what: 'the runs to be queued again' })
  } finally {
    redis.disconnect()
  }
  gate.openAll()
  const ends = await Promise.all(ids.map((id) => waitForEnd(api, id)))
  const starts = ends.map(({ attempts }) => attempts[0]?.dispatchedAt ?? '')
  expect(starts).toEqual(starts.toSorted())
})

test('without MongoDB it says so and is not ready, but lives', async () => {
  const [member] = cluster().replicaSet.members
  if (member === undefined) throw new Error('a replica set has a member')
  member.process.signal('SIGSTOP')
  try {
    const ready = await waitForReadiness('MongoDB to be missed', ({ mongodb }) => mongodb !== 'ok')
    expect(ready).toMatchObject({ httpStatus: 503, status: 'unavailable', redis: 'ok' })
    expect((await probe('/health/live')).status).toBe(200)
  } finally {
    member.process.signal('SIGCONT')
  }
  expect(await waitForReadiness('MongoDB to be back', ({ mongodb }) => mongodb === 'ok')).toMatchObject({ httpStatus: 200, status: 'ready' })
})

test('metrics count each end of an instance, by how it ended', async () => {
  const api = await cluster().api()
  const statuses = ['SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT']
  const counts = (): Promise<number[]> => Promise.all(statuses.map((status) => readMetric(cluster().url, 'jobtrail_instances_ended_total', { status })))
  const before = await counts()
  const ends = async (): Promise<number[]> => (await counts()).map((count, i) => count - (before[i] ?? 0))
  const failing = await createJob(api, shellJob('[ "$JOBTRAIL_ATTEMPT_NUMBER" = 9 ]', { retry: { maxRetries: 1, backoffMs: 0 } }))
  const failed = await runJob(api, failing.id)
  await waitForEnd(api, failed)
  await api.post(`/api/instances/${failed}/retry`)
  await waitForInstance(api, failed, 'has ended once more', ({ status, attempt }) => status === 'FAILED' && attempt === 4)
  const { instanceId: running } = await createAndRun(api, shellJob('echo on; sleep 600'))
  await waitForInstance(api, running, 'prints', ({ log }) => log.lines === 1)
  const waiting = await createAndRun(api, shellJob('true'))
  await api.post(`/api/instances/${waiting.instanceId}/cancel`)
  const removed = await createAndRun(api, shellJob('true'))
  await api.delete(`/api/jobs/${removed.job.id}`)
  await api.post(`/api/instances/${running}/cancel`)
  await waitForEnd(api, running)
  const slow = await createAndRun(api, shellJob('sleep 600', { timeoutMs: 100, killGraceMs: 0 }))
  await waitForEnd(api, slow.instanceId)
  const done = await createAndRun(api, shellJob('true'))
  await waitForEnd(api, done.instanceId)
  // An end can be read a moment before the server that stored it knows that it is.
  await waitFor(async () => (await ends()).reduce((sum, count) => sum + count) >= 7, { timeoutMs: 30_000, what: 'seven ends to be counted' })
  expect(await ends()).toEqual([1, 2, 3, 1])
})

test('metrics tell what runs, what waits, and how late it was', async () => {
  const api = await cluster().api()
  const { url } = cluster()
  const done = await createAndRun(api, shellJob('printf "one\\ntwo\\nthree\\n"'))
  await waitForSealed(api, done.instanceId)
  const cron = await createJob(api, shellJob('true', { trigger: { kind: 'cron', expression: '* * * * * *' } }))
  await waitFor(async () => (await readMetric(url, 'jobtrail_fire_delay_seconds_count')) > 0, { timeoutMs: 60_000, what: 'a fire to be measured' })
  await api.post(`/api/jobs/${cron.id}/disable`)
  const gate = new Gate(join(cluster().dir, 'gate-metrics'))
  const running = await createAndRun(api, shellJob(`echo on; ${gate.shell(1)}`, { priority: 10 }))
  await waitForInstance(api, running.instanceId, 'has printed', ({ log }) => log.lines === 1)
  const waiting = await createAndRun(api, shellJob('true'))
  await createAndRun(api, handlerJob('nobody-has-it'))
  const follower = new LogFollower([api], running.instanceId)

  const atLeast = (least: number) => (value: number) => value >= least
  const plausible: [name: string, labels: Record<string, string>, isPlausible: (value: number) => boolean][] = [
    ['jobtrail_instances', { status: 'RUNNING' }, (value) => value === 1],
    ['jobtrail_instances', { status: 'WAITING' }, atLeast(2)],
    ['jobtrail_instances_created_total', { cause: 'api' }, atLeast(4)],
    ['jobtrail_instances_created_total', { cause: 'schedule' }, atLeast(1)],
    ['jobtrail_attempts_finished_total', { status: 'SUCCEEDED' }, atLeast(1)],
    ['jobtrail_instances_ended_total', { status: 'SUCCEEDED' }, atLeast(1)],
    ['jobtrail_queue_depth', {}, atLeast(1)],
    ['jobtrail_fire_delay_seconds_count', {}, atLeast(1)],
    ['jobtrail_dispatch_delay_seconds_count', {}, atLeast(2)],
    ['jobtrail_dispatch_delay_seconds_sum', {}, (value) => value > 0 && value < 600],
    ['jobtrail_log_lines_total', {}, atLeast(4)],
    ['jobtrail_log_bytes_total', {}, atLeast(17)],
    ['jobtrail_log_stored_bytes_total', {}, atLeast(17)],
    ['jobtrail_log_chunks_total', { result: 'ok' }, atLeast(2)],
    ['jobtrail_log_chunks_total', { result: 'conflict' }, (value) => value === 0],
    ['jobtrail_log_lag_seconds_count', {}, atLeast(2)],
    ['jobtrail_log_lag_seconds_sum', {}, (value) => value > 0 && value < 600],
    ['jobtrail_log_streams_unsealed', { state: 'open' }, (value) => value === 0],
    ['jobtrail_log_streams_unsealed', { state: 'interrupted' }, (value) => value === 0],
    ['jobtrail_log_followers', {}, (value) => value === 1],
    ['jobtrail_workers_connected', {}, (value) => value === 1],
    ['jobtrail_slots_free', {}, (value) => value === 0],
    ['jobtrail_nodejs_eventloop_lag_p99_seconds', {}, (value) => value > 0 && value < 60],
    ['jobtrail_http_request_seconds_count', { method: 'POST', status: '201' }, atLeast(4)],
    ['jobtrail_process_resident_memory_bytes', {}, (value) => value > 30_000_000],
  ]
  // Some are counted now and then only.
  let missing: string[] = []
  await waitFor(
    async () => {
      const samples = await readMetrics(url)
      missing = plausible.flatMap(([name, labels, isPlausible]) => {
        const found = samples.filter((sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
        return found.length > 0 && isPlausible(found.reduce((sum, { value }) => sum + value, 0))
          ? []
          : [`${name} ${JSON.stringify(labels)}: ${JSON.stringify(found)}`]
      })
      return missing.length === 0
    },
    { timeoutMs: 60_000, what: 'plausible metrics', intervalMs: 500 },
  ).catch((cause: unknown) => {
    throw new Error(`not plausible: ${missing.join('; ')}`, { cause })
  })
  // Namespaces, groups and handlers are nobody's business without a token.
  const open = await readMetrics(url)
  expect(open.filter(({ name }) => name === 'jobtrail_queue_depth').map(({ labels }) => labels)).toEqual([{}])
  expect(open.flatMap(({ labels }) => Object.values(labels)).filter((label) => /default|nobody-has-it/.test(label))).toEqual([])
  const [server] = (await api.get('/api/servers', ServerPage)).items
  expect(server).toMatchObject({ id: 'server-0', isDraining: false, workers: 1 })
  gate.openAll()
  await Promise.all([follower.done, waitForEnd(api, waiting.instanceId)])
})
