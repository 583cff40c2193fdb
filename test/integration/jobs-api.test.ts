import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ApiClient } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { AuditPage } from '@jobtrail/api/auth'
import { type InstanceView, InstancePage } from '@jobtrail/api/instances'
import { JobPage, JobRevisionPage, JobRevisionView, JobsCreated, JobView, RunsCreated, TriggerPreview } from '@jobtrail/api/jobs'
import { describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import {
  createAndRun,
  createJob,
  getInstance,
  handlerJob,
  type JobInput,
  runJob,
  shellJob,
  uniqueName,
  waitForEnd,
  waitForInstance,
} from '../support/factories.js'
import { LogFollower } from '../support/follow.js'
import { Gate } from '../support/gate.js'

const cluster = useCluster({
  servers: 2,
  workers: 1,
  slots: 20,
  workerArgs: ['--handlers', fileURLToPath(new URL('../support/handlers.mjs', import.meta.url))],
})

const refusal = (status: number, code: string): unknown => expect.objectContaining({ status, code })
const NOWHERE: Partial<JobInput> = { routing: { tags: ['nowhere'] } }
const makeNamespace = async (): Promise<string> => {
  const name = uniqueName('ns')
  await (await cluster().api()).post('/api/namespaces', { name })
  return name
}
const instancesOf = async (api: ApiClient, jobId: string): Promise<InstanceView[]> =>
  (await api.get(`/api/instances?jobId=${jobId}&limit=1000`, InstancePage)).items
/** Instances that a trigger made, by their scheduled time. */
const firesOf = async (api: ApiClient, jobId: string): Promise<InstanceView[]> =>
  (await instancesOf(api, jobId)).toSorted((a, b) => (a.scheduledFor ?? '').localeCompare(b.scheduledFor ?? ''))
const timesOf = (instances: readonly InstanceView[]): number[] => instances.map(({ scheduledFor }) => Date.parse(scheduledFor ?? ''))

describe('definitions', () => {
  test('come back as they were given, with their defaults, and without the values of secrets', async () => {
    const api = await cluster().api()
    const input = shellJob('true', {
      trigger: { kind: 'cron', expression: '0 3 * * *', timeZone: 'Europe/Berlin' },
      params: { day: 1 },
      secrets: { TOKEN: 'correct-horse' },
    })
    const job = await createJob(api, input)
    expect(job).toMatchObject({
      ...input,
      namespace: 'default',
      revision: 1,
      enabled: true,
      priority: 0,
      maxConcurrent: 0,
      routing: { group: 'default', tags: [] },
      retry: { maxRetries: 0 },
      secrets: { TOKEN: '***' },
    })
    expect(Date.parse(job.nextFireAt ?? '')).toBeGreaterThan(Date.now())
    for (const { url } of cluster().servers) expect(await api.at(url).get(`/api/jobs/${job.id}`, JobView)).toEqual(job)
    await expect(createJob(api, input)).rejects.toMatchObject({ status: 409, code: 'NAME_TAKEN', body: { errors: [{ path: 'name' }] } })
    const again = await api.post('/api/jobs', { ...input, namespace: await makeNamespace() }, JobView)
    expect(again.name).toBe(job.name)
  })

  test('of one call are all created, with their revisions and audit records, or none, and each that is at fault is named', async () => {
    const api = await cluster().api()
    const namespace = await makeNamespace()
    const names = async (): Promise<string[]> => (await api.get(`/api/jobs?namespace=${namespace}`, JobPage)).items.map(({ name }) => name)
    const definitions = ['a', 'b', 'c'].map((name, i) => shellJob('true', { name, params: { i }, secrets: { TOKEN: 'correct-horse' } }))
    const create = (jobs: object[]): Promise<JobsCreated> => api.post('/api/jobs/bulk', { namespace, jobs }, JobsCreated)
    const { jobIds } = await create(definitions)
    const jobs = await Promise.all(jobIds.map((id) => api.get(`/api/jobs/${id}`, JobView)))
    expect(jobs.map(({ name, params, revision, secrets }) => ({ name, params, revision, secrets }))).toEqual(
      ['a', 'b', 'c'].map((name, i) => ({ name, params: { i }, revision: 1, secrets: { TOKEN: '***' } })),
    )
    for (const id of jobIds) {
      expect((await api.get(`/api/jobs/${id}/revisions`, JobRevisionPage)).items).toHaveLength(1)
      expect((await api.get(`/api/audit?targetId=${id}`, AuditPage)).items).toMatchObject([{ action: 'job.create', namespace }])
    }
    const errors = (...paths: string[]): object => ({ body: { errors: paths.map((path) => ({ path })) } })
    const twice = [shellJob('true', { name: 'd' }), shellJob('true', { name: 'b' }), shellJob('true', { name: 'a' })]
    await expect(create(twice)).rejects.toMatchObject({ status: 409, code: 'NAME_TAKEN', ...errors('jobs[1].name', 'jobs[2].name') })
    await expect(create([shellJob('true', { name: 'd' }), shellJob('true', { name: 'd' })])).rejects.toMatchObject({ status: 409, ...errors('jobs[1].name') })
    const unfit = [shellJob('true', { name: 'd' }), shellJob('true', { name: 'e', params: { x: '\0' } })]
    await expect(create(unfit)).rejects.toMatchObject({ status: 400, ...errors('jobs[1].params["x"]') })
    await expect(create([shellJob('true', { name: 'd' }), { ...shellJob('true'), name: 7 }])).rejects.toMatchObject({ status: 400, ...errors('jobs[1].name') })
    await expect(create([])).rejects.toMatchObject({ status: 400, ...errors('jobs') })
    expect(await names()).toEqual(['a', 'b', 'c'])
  })

  test('are listed by filters, page by page, each once', async () => {
    const api = await cluster().api()
    const namespace = await makeNamespace()
    const jobs = await Promise.all(
      [
        shellJob('true', { name: 'a.b' }),
        shellJob('true', { name: 'A.bc', enabled: false, trigger: { kind: 'cron', expression: '0 0 1 1 *' } }),
        shellJob('true', { name: 'axb', routing: { group: 'night' } }),
        handlerJob('noop', { name: 'c', trigger: { kind: 'interval', everyMs: 86_400_000 }, enabled: false }),
        shellJob('true', { name: 'd' }),
      ].map((job) => createJob(api, { ...job, namespace })),
    )
    const list = async (query: string): Promise<string[]> => (await api.get(`/api/jobs?namespace=${namespace}${query}`, JobPage)).items.map(({ name }) => name)
    const names: string[] = []
    for (let cursor = ''; ;) {
      const page: JobPage = await api.get(`/api/jobs?namespace=${namespace}&limit=2${cursor}`, JobPage)
      names.push(...page.items.map(({ name }) => name))
      if (page.next === null) break
      cursor = `&cursor=${encodeURIComponent(page.next)}`
    }
    expect(names).toEqual(jobs.map(({ name }) => name).toSorted())
    expect(await list('&search=a.b')).toEqual(['A.bc', 'a.b'])
    expect(await list('&name=a.b')).toEqual(['a.b'])
    expect(await list('&group=night')).toEqual(['axb'])
    expect(await list('&trigger=cron')).toEqual(['A.bc'])
    expect(await list('&trigger=interval&enabled=false')).toEqual(['c'])
    expect(await list('&enabled=true')).toEqual(['a.b', 'axb', 'd'])
    expect(await list('&search=.*')).toEqual([])
    await expect(list('&cursor=nonsense')).rejects.toEqual(refusal(400, 'BAD_CURSOR'))
  })

  test('change member by member on the revision that they were read at, and keep each former one', async () => {
    const api = await cluster().api()
    const job = await createJob(api, shellJob('echo one', { secrets: { A: 'secret-a', B: 'secret-b' }, params: { x: 1 } }))
    const other = await createJob(api, shellJob('true'))
    const first = await runJob(api, job.id)
    const changed = await api.patch(
      `/api/jobs/${job.id}`,
      { revision: 1, processor: { kind: 'shell', script: 'echo two' }, secrets: { A: null, B: '***', C: 'secret-c' } },
      JobView,
    )
    expect(changed).toMatchObject({ revision: 2, params: { x: 1 }, secrets: { B: '***', C: '***' }, name: job.name })
    expect(Object.keys(changed.secrets)).toEqual(['B', 'C'])
    await expect(api.patch(`/api/jobs/${job.id}`, { revision: 1, priority: 5 })).rejects.toMatchObject({
      status: 409,
      code: 'STALE_REVISION',
      body: { current: changed },
    })
    await expect(api.patch(`/api/jobs/${job.id}`, { revision: 2, name: other.name })).rejects.toEqual(refusal(409, 'NAME_TAKEN'))
    await expect(api.patch(`/api/jobs/${job.id}`, { priority: 5 })).rejects.toMatchObject({ status: 400, body: { errors: [{ path: 'revision' }] } })
    await expect(api.patch(`/api/jobs/${job.id}`, { revision: 2, namespace: 'default' })).rejects.toEqual(refusal(400, 'VALIDATION_FAILED'))
    await expect(api.patch(`/api/jobs/${job.id}`, { revision: 2, secrets: { NEW: '***' } })).rejects.toMatchObject({
      status: 400,
      body: { errors: [{ path: 'secrets.NEW' }] },
    })
    expect((await api.patch(`/api/jobs/${job.id}`, { revision: 2, params: { x: 1 } }, JobView)).revision).toBe(2)
    // Of two changes based on the same revision one is stale.
    const rivals = await Promise.allSettled(cluster().servers.map(({ url }, i) => api.at(url).patch(`/api/jobs/${job.id}`, { revision: 2, priority: 10 + i })))
    expect(rivals.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    const revisions = await api.get(`/api/jobs/${job.id}/revisions`, JobRevisionPage)
    expect(revisions.items.map(({ revision, changedBy }) => [revision, changedBy])).toEqual([
      [3, 'admin'],
      [2, 'admin'],
      [1, 'admin'],
    ])
    const page = await api.get(`/api/jobs/${job.id}/revisions?limit=2`, JobRevisionPage)
    expect((await api.get(`/api/jobs/${job.id}/revisions?cursor=${page.next}`, JobRevisionPage)).items.map(({ revision }) => revision)).toEqual([1])
    expect((await api.get(`/api/jobs/${job.id}/revisions/1`, JobRevisionView)).definition).toMatchObject({
      processor: { script: 'echo one' },
      secrets: { A: '***', B: '***' },
    })
    await expect(api.get(`/api/jobs/${job.id}/revisions/9`)).rejects.toEqual(refusal(404, 'NOT_FOUND'))
    expect((await waitForEnd(api, first)).revision).toBe(1)
    const everything = await Promise.all(['', '/revisions', '/revisions/1', '/revisions/2'].map((path) => api.get(`/api/jobs/${job.id}${path}`)))
    const audit = await api.get(`/api/audit?targetId=${job.id}`)
    expect(JSON.stringify([everything, audit, await getInstance(api, first)])).not.toMatch(/secret-[abc]/)
  })

  test('of which 200 are made at once are all there', async () => {
    const api = await cluster().api()
    const namespace = await makeNamespace()
    const jobs = await Promise.all(Array.from({ length: 200 }, () => createJob(api, shellJob('true', { namespace }))))
    expect((await api.get(`/api/jobs?namespace=${namespace}&limit=1000`, JobPage)).items.map(({ id }) => id).toSorted()).toEqual(
      jobs.map(({ id }) => id).toSorted(),
    )
  })

  test('leave nothing behind in a namespace that is removed while they are made', async () => {
    const api = await cluster().api()
    const namespaces: string[] = []
    for (let round = 0; round < 12; round++) {
      const namespace = await makeNamespace()
      namespaces.push(namespace)
      const apis = cluster().servers.map(({ url }) => api.at(url))
      const results = await Promise.allSettled([
        ...apis.map((each) => createJob(each, shellJob('true', { namespace }))),
        ...apis.map((each) => each.post('/api/worker-tokens', { namespace, name: 'token' })),
        api.post('/api/api-tokens', { namespace, name: 'token', role: 'viewer' }),
        api.delete(`/api/namespaces/${namespace}`),
      ])
      for (const result of results)
        if (result.status === 'rejected')
          expect(result.reason).toMatchObject({ status: expect.toSatisfy((status) => [400, 404, 409].includes(status as number)) })
    }
    const db = await cluster().database()
    const there = new Set((await db.collection<{ _id: string }>('namespaces').find().toArray()).map(({ _id }) => _id))
    const removed = namespaces.filter((name) => !there.has(name))
    for (const collection of ['jobs', 'worker_tokens', 'api_tokens'])
      expect(await db.collection(collection).countDocuments({ namespace: { $in: removed } }), collection).toBe(0)
  })
})

describe('a removed job', () => {
  test('is gone; its waiting instances are cancelled and say why, its running ones go on, and its name is free', async () => {
    const api = await cluster().api()
    const gate = new Gate(join(cluster().dir, 'gate-removed'))
    const job = await createJob(api, shellJob(`echo on; ${gate.shell(1)}; echo off`, { maxConcurrent: 1 }))
    const running = await runJob(api, job.id)
    await waitForInstance(api, running, 'has printed', ({ log }) => log.lines === 1)
    const held = await runJob(api, job.id)
    const delayed = await runJob(api, job.id, { delayMs: 3_600_000 })
    const follower = new LogFollower([api], held)
    await api.delete(`/api/jobs/${job.id}`)
    for (const id of [held, delayed])
      expect(await getInstance(api, id)).toMatchObject({
        status: 'CANCELLED',
        error: expect.stringContaining('job was removed'),
        finishedAt: expect.any(String),
        attempt: 0,
      })
    await follower.done
    expect(follower.end).toMatchObject({ status: 'CANCELLED', total: 0 })
    expect((await getInstance(api, running)).status).toBe('RUNNING')
    gate.openAll()
    expect(await waitForEnd(api, running)).toMatchObject({ status: 'SUCCEEDED', jobName: job.name })
    for (const path of ['', '/revisions', '/revisions/1']) await expect(api.get(`/api/jobs/${job.id}${path}`), path).rejects.toEqual(refusal(404, 'NOT_FOUND'))
    for (const path of ['/runs', '/enable']) await expect(api.post(`/api/jobs/${job.id}${path}`), path).rejects.toEqual(refusal(404, 'NOT_FOUND'))
    await expect(api.delete(`/api/jobs/${job.id}`)).rejects.toEqual(refusal(404, 'NOT_FOUND'))
    expect((await createJob(api, { ...shellJob('true'), name: job.name })).id).not.toBe(job.id)
  })

  test('leaves no instance waiting that was asked for at the same moment, on any server', async () => {
    const api = await cluster().api()
    const job = await createJob(api, shellJob('true', NOWHERE))
    const apis = cluster().servers.map(({ url }) => api.at(url))
    const runs = Array.from({ length: 30 }, (_, i) => runJob(apis[i % 2] ?? api, job.id))
    const results = await Promise.allSettled([...runs.slice(0, 15), api.delete(`/api/jobs/${job.id}`), ...runs.slice(15)])
    for (const result of results) if (result.status === 'rejected') expect(result.reason).toEqual(refusal(404, 'NOT_FOUND'))
    await waitFor(async () => (await instancesOf(api, job.id)).every(({ status, error }) => status === 'CANCELLED' && error?.includes('job was removed')), {
      timeoutMs: 60_000,
      what: 'every instance of the removed job to be cancelled',
    })
  })
})

describe('runs and triggers', () => {
  test('many runs are made in one call, in its order, with params and idempotency keys of their own', async () => {
    const api = await cluster().api()
    const job = await createJob(api, handlerJob('print', { params: { lines: ['default'] } }))
    const runs = Array.from({ length: 100 }, (_, i) =>
      i === 0 ? {} : { params: { lines: [`run ${Math.min(i, 90)}`] }, idempotencyKey: `key-${Math.min(i, 90)}` },
    )
    const { instanceIds } = await api.post(`/api/jobs/${job.id}/runs/bulk`, { runs }, RunsCreated)
    expect(instanceIds).toHaveLength(100)
    expect(new Set(instanceIds).size).toBe(91)
    expect(new Set(instanceIds.slice(90)).size).toBe(1)
    expect((await api.post(`/api/jobs/${job.id}/runs/bulk`, { runs: runs.slice(1) }, RunsCreated)).instanceIds).toEqual(instanceIds.slice(1))
    expect((await getInstance(api, instanceIds[0] ?? '')).params).toEqual({ lines: ['default'] })
    expect((await getInstance(api, instanceIds[7] ?? '')).params).toEqual({ lines: ['run 7'] })
    await Promise.all(instanceIds.slice(0, 91).map(async (id) => expect((await waitForEnd(api, id)).status).toBe('SUCCEEDED')))
    await expect(api.post(`/api/jobs/${job.id}/runs/bulk`, { runs: [] })).rejects.toEqual(refusal(400, 'VALIDATION_FAILED'))
    await expect(api.post(`/api/jobs/${job.id}/runs/bulk`, { runs: Array.from({ length: 1_001 }, () => ({})) })).rejects.toEqual(
      refusal(400, 'VALIDATION_FAILED'),
    )
  })

  test('a preview shows the times at which a trigger would fire, over a change of the clocks too', async () => {
    const api = await cluster().api()
    const preview = async (trigger: unknown, count = 3): Promise<number[]> =>
      (await api.post('/api/triggers/preview', { trigger, count }, TriggerPreview)).fireTimes.map((time) => Date.parse(time))
    const daily = await preview({ kind: 'cron', expression: '30 12 * * *', timeZone: 'Europe/Berlin' }, 50)
    expect(daily).toHaveLength(50)
    const format = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', hour: '2-digit', minute: '2-digit' })
    expect(new Set(daily.map((time) => format.format(time)))).toEqual(new Set(['12:30']))
    expect(daily[0]).toBeGreaterThan(Date.now())
    const startAt = '2020-01-01T00:00:00.250Z'
    const interval = await preview({ kind: 'interval', everyMs: 1_000, startAt })
    expect(interval.map((time) => (time - Date.parse(startAt)) % 1_000)).toEqual([0, 0, 0])
    const at = new Date(Date.now() + 3_600_000).toISOString()
    expect(await preview({ kind: 'once', at })).toEqual([Date.parse(at)])
    expect(await preview({ kind: 'manual' })).toEqual([])
    await expect(preview({ kind: 'cron', expression: 'nonsense' })).rejects.toMatchObject({ status: 400, body: { errors: [{ path: 'trigger.expression' }] } })
  })

  test('cron, interval and once fire at their times and run; disabled they do not, enabled they go on', async () => {
    const api = await cluster().api()
    const create = (trigger: JobInput['trigger'], more: Partial<JobInput> = {}): Promise<JobView> => createJob(api, handlerJob('noop', { trigger, ...more }))
    const everySecond = { kind: 'cron', expression: '* * * * * *' } as const
    const startAt = '2020-01-01T00:00:00.250Z'
    const onceAt = Date.now() + 10_000
    const [cron, paused, never, interval, once] = await Promise.all([
      create(everySecond),
      create(everySecond),
      create(everySecond, { enabled: false }),
      create({ kind: 'interval', everyMs: 700, startAt }),
      create({ kind: 'once', at: new Date(onceAt).toISOString() }),
    ])
    expect([never.nextFireAt, once.nextFireAt]).toEqual([null, new Date(onceAt).toISOString()])
    const waitForRuns = (job: JobView, count: number): Promise<InstanceView[]> =>
      waitFor(
        async () => {
          const fires = await firesOf(api, job.id)
          return fires.filter(({ status }) => status === 'SUCCEEDED').length >= count ? fires : undefined
        },
        { timeoutMs: 90_000, what: `${count} runs of ${job.name}`, intervalMs: 200 },
      )
    await waitForRuns(paused, 1)
    const disabled = await api.post(`/api/jobs/${paused.id}/disable`, {}, JobView)
    expect(disabled).toMatchObject({ enabled: false, nextFireAt: null, revision: 2 })
    expect((await api.post(`/api/jobs/${paused.id}/disable`, {}, JobView)).revision).toBe(2)
    const inRow = (times: readonly number[], stepMs: number): boolean => times.every((time, i) => i === 0 || time - (times[i - 1] ?? 0) === stepMs)
    const fires = await waitForRuns(cron, 4)
    expect(inRow(timesOf(fires), 1_000)).toBe(true)
    expect(fires.every(({ cause, scheduledFor }) => cause.kind === 'schedule' && scheduledFor?.endsWith('.000Z'))).toBe(true)
    const intervals = timesOf(await waitForRuns(interval, 4))
    expect(inRow(intervals, 700)).toBe(true)
    expect(intervals.every((time) => (time - Date.parse(startAt)) % 700 === 0)).toBe(true)
    // By the other jobs' clock: 5 s after it was disabled, and after the one time of `once`.
    const until = Math.max(onceAt, Date.parse(disabled.updatedAt) + 5_000)
    await waitFor(async () => timesOf(await firesOf(api, cron.id)).some((time) => time > until), {
      timeoutMs: 90_000,
      what: 'the cron job to have gone on',
      intervalMs: 200,
    })
    expect(timesOf(await waitForRuns(once, 1))).toEqual([onceAt])
    expect((await api.get(`/api/jobs/${once.id}`, JobView)).nextFireAt).toBeNull()
    // Times of the next 2 s may have been stored before it was disabled.
    expect(timesOf(await firesOf(api, paused.id)).filter((time) => time > Date.parse(disabled.updatedAt) + 2_500)).toEqual([])
    expect(await firesOf(api, never.id)).toEqual([])
    expect(await api.post(`/api/jobs/${never.id}/enable`, {}, JobView)).toMatchObject({ enabled: true, nextFireAt: expect.any(String) })
    await waitForRuns(never, 1)
    for (const { id } of [cron, never, interval]) await api.delete(`/api/jobs/${id}`)
  })

  test('a disabled job can be run by hand', async () => {
    const api = await cluster().api()
    const { instanceId } = await createAndRun(api, handlerJob('noop', { enabled: false, trigger: { kind: 'cron', expression: '* * * * *' } }))
    expect(await waitForEnd(api, instanceId)).toMatchObject({ status: 'SUCCEEDED', scheduledFor: null, cause: { kind: 'api', by: 'admin' } })
  })
})
