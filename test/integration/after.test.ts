import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { ApiError } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { InstancePage, type InstanceView } from '@jobtrail/shared/api/instances'
import { JobPage, JobRevisionView, JobsCreated, type JobView } from '@jobtrail/shared/api/jobs'
import { isFinalInstance } from '@jobtrail/shared/domain/statuses'
import { describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createJob, handlerJob, type JobInput, runJob, shellJob, uniqueName, waitForEnd, waitForInstance } from '../support/factories.js'
import { withWriteFault } from '../support/fail-point.js'
import { Gate } from '../support/gate.js'
import { readMetric } from '../support/metrics.js'

const HANDLERS = fileURLToPath(new URL('../support/handlers.mjs', import.meta.url))
// A MongoDB of its own: its faults are for all who use it.
const cluster = useCluster({ servers: 2, workers: 1, slots: 30, mongoMembers: 1, workerArgs: ['--handlers', HANDLERS] })

const after = (job: string, on?: 'success' | 'failure' | 'any'): Partial<JobInput> => ({ trigger: { kind: 'after', job, ...(on === undefined ? {} : { on }) } })
const runsOf = async (jobId: string): Promise<InstanceView[]> =>
  (await (await cluster().api()).get(`/api/instances?jobId=${jobId}&limit=500`, InstancePage)).items
const upstreamsOf = async (jobId: string): Promise<string[]> => (await runsOf(jobId)).map(({ cause }) => cause.after?.instanceId ?? 'none').toSorted()
const waitForRuns = (jobId: string, count: number): Promise<InstanceView[]> =>
  waitFor(
    async () => {
      const runs = await runsOf(jobId)
      return runs.length >= count ? runs : undefined
    },
    { timeoutMs: 60_000, what: `${count} runs of ${jobId}`, intervalMs: 50 },
  )
const hasPending = async (): Promise<boolean> =>
  (await (await cluster().database()).collection('instances').countDocuments({ outcomes: { $exists: true }, finishedAt: { $type: 'date' } })) > 0
const settled = (): Promise<boolean | undefined> => waitFor(async () => !(await hasPending()), { timeoutMs: 60_000, what: 'no outcome to be pending' })
const refusal = async (call: Promise<unknown>): Promise<ApiError> => {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ApiError)) throw new Error('the call was not refused')
  return error
}
const fieldsOf = ({ body }: ApiError): unknown => (body as { errors?: { path: string }[] }).errors?.map(({ path }) => path)
const pendingByMetric = async (): Promise<number> =>
  (await Promise.all(cluster().servers.map(({ url }) => readMetric(url, 'jobtrail_outcomes_pending')))).reduce((sum, count) => sum + count, 0)

describe('a job that runs after another one', () => {
  test('has one run for each of its runs that ends as it waits for, and that run says which', async () => {
    const api = await cluster().api()
    const upstream = await createJob(api, shellJob('[ "$JOBTRAIL_PARAM_OK" = 1 ]'))
    const [onSuccess, onFailure, onAny] = await Promise.all(
      (['success', 'failure', 'any'] as const).map((on) => createJob(api, handlerJob('noop', { ...after(upstream.id, on), params: { of: on } }))),
    )
    if (onSuccess === undefined || onFailure === undefined || onAny === undefined) throw new Error('three jobs were made')
    const good = await runJob(api, upstream.id, { params: { ok: 1 } })
    const bad = await runJob(api, upstream.id, { params: { ok: 0 } })
    await waitForRuns(onSuccess.id, 1)
    await waitForRuns(onFailure.id, 1)
    await waitForRuns(onAny.id, 2)
    await settled()
    expect(await upstreamsOf(onSuccess.id)).toEqual([good])
    expect(await upstreamsOf(onFailure.id)).toEqual([bad])
    expect(await upstreamsOf(onAny.id)).toEqual([good, bad].toSorted())
    const [run] = await runsOf(onSuccess.id)
    expect(await waitForEnd(api, run?.id ?? '')).toMatchObject({
      status: 'SUCCEEDED',
      params: { of: 'success' },
      scheduledFor: null,
      cause: { kind: 'after', by: null, after: { jobId: upstream.id, jobName: upstream.name, instanceId: good } },
    })
    expect((await api.get(`/api/instances?cause=after&jobId=${onAny.id}`, InstancePage)).items).toHaveLength(2)
    expect((await api.get(`/api/jobs?after=${upstream.id}&trigger=after`, JobPage)).items).toHaveLength(3)
  })

  test('may be followed itself, and a cancelled run is followed only by those that wait for any end', async () => {
    const api = await cluster().api()
    const first = await createJob(api, shellJob('sleep 300'))
    const onAny = await createJob(api, handlerJob('noop', after(first.id, 'any')))
    const onFailure = await createJob(api, handlerJob('noop', after(first.id, 'failure')))
    const last = await createJob(api, handlerJob('noop', after(onAny.id)))
    const running = await runJob(api, first.id)
    const waiting = await runJob(api, first.id, { delayMs: 600_000 })
    await waitForInstance(api, running, 'runs', ({ status }) => status === 'RUNNING')
    for (const id of [running, waiting]) await api.post(`/api/instances/${id}/cancel`)
    await waitForRuns(last.id, 2)
    await settled()
    expect(await upstreamsOf(onAny.id)).toEqual([running, waiting].toSorted())
    expect(await upstreamsOf(onFailure.id)).toEqual([])
  })

  test('does not run while it is disabled, and is not made up for', async () => {
    const api = await cluster().api()
    const upstream = await createJob(api, handlerJob('noop'))
    const follower = await createJob(api, handlerJob('noop', { ...after(upstream.id), enabled: false }))
    await waitForEnd(api, await runJob(api, upstream.id))
    await settled()
    await api.post(`/api/jobs/${follower.id}/enable`)
    const second = await runJob(api, upstream.id)
    await waitForRuns(follower.id, 1)
    await settled()
    expect(await upstreamsOf(follower.id)).toEqual([second])
  })

  test('runs when a run that had failed is retried and succeeds, and never twice after the same run', async () => {
    const api = await cluster().api()
    const marker = join(cluster().dir, uniqueName('marker'))
    const upstream = await createJob(api, shellJob(`[ -e "${marker}" ] || { touch "${marker}"; exit 1; }`))
    const onSuccess = await createJob(api, handlerJob('noop', after(upstream.id)))
    const onAny = await createJob(api, handlerJob('noop', after(upstream.id, 'any')))
    const run = await runJob(api, upstream.id)
    expect(await waitForEnd(api, run)).toMatchObject({ status: 'FAILED' })
    await waitForRuns(onAny.id, 1)
    await settled()
    expect(await upstreamsOf(onSuccess.id)).toEqual([])
    await api.post(`/api/instances/${run}/retry`)
    await waitForRuns(onSuccess.id, 1)
    await settled()
    expect(await upstreamsOf(onSuccess.id)).toEqual([run])
    expect(await upstreamsOf(onAny.id)).toEqual([run])
  })

  test('follows runs from then on, in its definition of that moment', async () => {
    const api = await cluster().api()
    const gate = new Gate(join(cluster().dir, uniqueName('gate')))
    const upstream = await createJob(api, shellJob(gate.shell(1)))
    const before = await runJob(api, upstream.id)
    await waitForInstance(api, before, 'runs', ({ status }) => status === 'RUNNING')
    const follower = await createJob(api, handlerJob('noop', after(upstream.id, 'failure')))
    const later = await runJob(api, upstream.id)
    await api.patch(`/api/jobs/${follower.id}`, { revision: 1, trigger: { kind: 'after', job: upstream.id, on: 'success' } })
    gate.open()
    await waitForRuns(follower.id, 1)
    await waitForEnd(api, before)
    await settled()
    expect(await runsOf(follower.id)).toMatchObject([{ revision: 2, cause: { after: { instanceId: later } } }])
    const revision = await api.get(`/api/jobs/${follower.id}/revisions/1`, JobRevisionView)
    expect(revision.definition.trigger).toEqual({ kind: 'after', job: upstream.id, on: 'failure' })
  })

  test('of a job that has no followers any more costs its runs nothing', async () => {
    const api = await cluster().api()
    const upstream = await createJob(api, handlerJob('noop'))
    const follower = await createJob(api, handlerJob('noop', after(upstream.id)))
    const instances = (await cluster().database()).collection<{ _id: string; outcomes?: string[] }>('instances')
    const outcomesOf = async (): Promise<unknown> => (await instances.findOne({ _id: await runJob(api, upstream.id, { delayMs: 600_000 }) }))?.outcomes
    expect(await outcomesOf()).toEqual(['after'])
    await api.patch(`/api/jobs/${follower.id}`, { revision: 1, trigger: { kind: 'manual' } })
    expect(await outcomesOf()).toBeUndefined()
  })
})

describe('a definition is refused, with the field named,', () => {
  test('when the other job is not there, or in another namespace, or the job itself, or follows it', async () => {
    const api = await cluster().api()
    const namespace = uniqueName('other')
    await api.post('/api/namespaces', { name: namespace })
    const foreign = await createJob(api, handlerJob('noop', { namespace }))
    const [a, b, c] = await makeChain()
    const missing = '0193c6a0-0000-7000-8000-000000000000'
    const triggerOf = (job: string) => ({ revision: 1, ...after(job) })
    for (const [call, message] of [
      [() => createJob(api, handlerJob('noop', after(missing))), 'no such job'],
      [() => createJob(api, handlerJob('noop', after(foreign.id))), 'no such job'],
      [() => createJob(api, handlerJob('noop', after('not an ID'))), 'UUID'],
      [() => api.patch(`/api/jobs/${a.id}`, triggerOf(a.id)), 'after itself'],
      [() => api.patch(`/api/jobs/${a.id}`, triggerOf(c.id)), `${a.name} after ${c.name} after ${b.name} after ${a.name}`],
    ] as const) {
      const error = await refusal(call())
      expect(error.status).toBe(400)
      expect(fieldsOf(error)).toEqual(['trigger.job'])
      expect(error.message).toContain(message)
    }
    const bulk = { jobs: [handlerJob('noop'), handlerJob('noop', after(missing))] }
    expect(fieldsOf(await refusal(api.post('/api/jobs/bulk', bulk, JobsCreated)))).toEqual(['jobs[1].trigger.job'])
  })

  test('when two changes on two servers at a time would make a circle only together', async () => {
    const [first, second] = await Promise.all(cluster().servers.map(({ url }) => cluster().api(url)))
    if (first === undefined || second === undefined) throw new Error('two servers are wanted')
    for (let round = 0; round < 5; round++) {
      const [one, other] = await Promise.all([makeChain(), makeChain()])
      const results = await Promise.allSettled([
        first.patch(`/api/jobs/${one[0].id}`, { revision: 1, ...after(other[2].id) }),
        second.patch(`/api/jobs/${other[0].id}`, { revision: 1, ...after(one[2].id) }),
      ])
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    }
  })

  test('and a job that is followed is not removed until its followers are, or are given another trigger', async () => {
    const api = await cluster().api()
    const [a, b, c] = await makeChain()
    const error = await refusal(api.delete(`/api/jobs/${a.id}`))
    expect(error.status).toBe(409)
    expect(error.message).toContain(b.name)
    await api.patch(`/api/jobs/${b.id}`, { revision: 1, trigger: { kind: 'manual' } })
    await api.delete(`/api/jobs/${a.id}`)
    await api.delete(`/api/jobs/${c.id}`)
    await api.delete(`/api/jobs/${b.id}`)
  })
})

describe('what follows from an end is done exactly once', () => {
  test('when every server is killed after it has stored the end and before what follows', async () => {
    const api = await cluster().api()
    const gate = new Gate(join(cluster().dir, uniqueName('gate')))
    const upstream = await createJob(api, shellJob(gate.shell(1)))
    const follower = await createJob(api, handlerJob('noop', after(upstream.id)))
    const run = await runJob(api, upstream.id)
    await waitForInstance(api, run, 'runs', ({ status }) => status === 'RUNNING')
    // No run can be stored: the end of the upstream one can.
    await withWriteFault(await cluster().database(), 'instances', ['insert'], async () => {
      gate.open()
      await waitForEnd(api, run)
      expect(await hasPending()).toBe(true)
      await Promise.all(cluster().servers.map((server) => server.kill()))
      expect(await hasPending()).toBe(true)
    })
    await Promise.all(cluster().servers.map((server) => server.start()))
    const [made] = await waitForRuns(follower.id, 1)
    await settled()
    expect(await upstreamsOf(follower.id)).toEqual([run])
    await cluster().waitForWorkers()
    expect(await waitForEnd(api, made?.id ?? '')).toMatchObject({ status: 'SUCCEEDED' })
  })

  test('when every server is killed after what follows, and before that is noted', async () => {
    const api = await cluster().api()
    const gate = new Gate(join(cluster().dir, uniqueName('gate')))
    const upstream = await createJob(api, shellJob(gate.shell(1)))
    const followers = await Promise.all([1, 2, 3].map(() => createJob(api, handlerJob('no such handler', after(upstream.id)))))
    const run = await runJob(api, upstream.id)
    await waitForInstance(api, run, 'runs', ({ status }) => status === 'RUNNING')
    await withWriteFault(await cluster().database(), 'instances', ['insert'], async (refuse) => {
      gate.open()
      await waitForEnd(api, run)
      // From here on runs can be stored, and nothing can be noted.
      await refuse(['update'])
      for (const { id } of followers) await waitForRuns(id, 1)
      expect(await hasPending()).toBe(true)
      await Promise.all(cluster().servers.map((server) => server.kill()))
    })
    await Promise.all(cluster().servers.map((server) => server.start()))
    await settled()
    for (const { id } of followers) expect(await upstreamsOf(id)).toEqual([run])
    await cluster().waitForWorkers()
  })

  test('for many runs that end at once while the servers are killed in turn', async () => {
    const RUNS = 60
    const api = await cluster().api()
    const gate = new Gate(join(cluster().dir, uniqueName('gate')))
    const upstream = await createJob(api, shellJob(gate.shell(1)))
    const follower = await createJob(api, handlerJob('noop', after(upstream.id, 'any')))
    const { instanceIds } = await api.post<{ instanceIds: string[] }>(`/api/jobs/${upstream.id}/runs/bulk`, { runs: Array.from({ length: RUNS }, () => ({})) })
    await waitFor(async () => (await runsOf(upstream.id)).filter(({ status }) => status === 'RUNNING').length === 30, { timeoutMs: 60_000, what: '30 to run' })
    gate.openAll()
    for (const [index, share] of [0.2, 0.5, 0.8].entries()) {
      const server = cluster().server(index % 2)
      const other = await cluster().api(cluster().server((index + 1) % 2).url)
      await waitFor(
        async () => {
          const { items } = await other.get(`/api/instances?jobId=${upstream.id}&limit=200`, InstancePage)
          return items.filter(({ status }) => isFinalInstance(status)).length >= share * RUNS
        },
        { timeoutMs: 120_000, what: `${share * 100} % to have ended` },
      )
      await server.kill()
      await server.start()
    }
    for (const id of instanceIds) await waitForEnd(api, id, 120_000)
    await waitForRuns(follower.id, RUNS)
    await settled()
    expect(await upstreamsOf(follower.id)).toEqual(instanceIds.toSorted())
    await waitFor(async () => (await pendingByMetric()) === 0, { timeoutMs: 30_000, what: 'the metric to say so' })
  })
})

/** Three jobs, each after the one before. */
async function makeChain(): Promise<[JobView, JobView, JobView]> {
  const api = await cluster().api()
  const a = await createJob(api, handlerJob('noop'))
  const b = await createJob(api, handlerJob('noop', after(a.id)))
  const c = await createJob(api, handlerJob('noop', after(b.id)))
  return [a, b, c]
}
