import { waitFor } from '@jobtrail/deploy/wait'
import { WorkerPage } from '@jobtrail/api/cluster'
import { Overview, WorkerRuns } from '@jobtrail/api/overview'
import { describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { DAY_MS, fillWithRuns } from '../support/old-runs.js'
import { createAndRun, createJob, runJob, shellJob, uniqueName, waitForEnd, waitForInstance, waitForSealed } from '../support/factories.js'

const cluster = useCluster({ servers: 1, workers: 1, balancer: 'none' })

describe('the overview', () => {
  test('counts runs by how they ended, names slow and failing jobs, and sums their logs', async () => {
    const api = await cluster().api()
    const failing = await createAndRun(api, shellJob('echo one; echo two; exit 1'))
    await waitForSealed(api, failing.instanceId)
    const again = await runJob(api, failing.job.id)
    await waitForSealed(api, again)
    const slow = await createAndRun(api, shellJob('sleep 1; echo done'))
    await waitForSealed(api, slow.instanceId)
    const held = await createAndRun(api, shellJob('true', { routing: { tags: ['nowhere'] } }))
    const cron = await createJob(api, shellJob('true', { name: uniqueName('cron'), trigger: { kind: 'cron', expression: '0 3 * * *', timeZone: 'UTC' } }))
    const overview = await waitFor(
      async () => {
        const found = await api.get('/api/overview?namespace=default', Overview)
        return found.ended.failed === 2 && found.ended.succeeded === 1 && found.waiting === 1 ? found : undefined
      },
      { timeoutMs: 20_000, what: 'the overview shows three ended runs and one that waits', intervalMs: 200 },
    )
    expect(overview.failing[0]).toMatchObject({ jobId: failing.job.id, runs: 2, failed: 2, lastFailed: again })
    expect(overview.slowest[0]).toMatchObject({ jobId: slow.job.id, runs: 1 })
    expect(overview.slowest.map(({ jobId }) => jobId)).not.toContain(held.job.id)
    expect(overview.nextFires.map(({ jobId }) => jobId)).toEqual([cron.id])
    expect(overview.buckets.reduce((sum, { lines }) => sum + lines, 0)).toBe(5)
    expect(overview.buckets.reduce((sum, { unfinished }) => sum + unfinished, 0)).toBe(1)
    expect(overview).toMatchObject({ since: overview.from, logs: { late: 0, interrupted: 0 } })
  })

  test('is of the time asked for, which has to be one', async () => {
    const api = await cluster().api()
    const past = await api.get('/api/overview?namespace=default&from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z', Overview)
    expect(past.ended).toEqual({ succeeded: 0, failed: 0, timedOut: 0, cancelled: 0 })
    await expect(api.get('/api/overview?from=2020-01-02T00:00:00Z&to=2020-01-01T00:00:00Z')).rejects.toMatchObject({ status: 400 })
    await expect(api.get('/api/overview?from=2000-01-01T00:00:00Z&to=2020-01-01T00:00:00Z')).rejects.toMatchObject({ status: 400 })
  })

  test('counts the logs of a quiet namespace beside a busy one, and says where it could not count all', async () => {
    const api = await cluster().api()
    const [quiet = '', some = '', busy = ''] = await Promise.all(
      ['quiet', 'some', 'busy'].map(async (name) => {
        const namespace = uniqueName(name)
        await api.post('/api/namespaces', { name: namespace })
        return namespace
      }),
    )
    const database = await cluster().database()
    await fillWithRuns(database, quiet, { runs: 7, attempts: 7, days: 5 })
    await fillWithRuns(database, some, { runs: 20_000, attempts: 20_000, days: 2 })
    await fillWithRuns(database, busy, { runs: 100, attempts: 100_100, days: 2 })
    const from = new Date(Date.now() - 20 * DAY_MS).toISOString()
    const of = (query: string): Promise<Overview> => api.get(`/api/overview?from=${from}${query}`, Overview)
    const lines = ({ buckets }: Overview): number => buckets.reduce((sum, bucket) => sum + bucket.lines, 0)
    const ofQuiet = await of(`&namespace=${quiet}`)
    expect(ofQuiet).toMatchObject({ since: ofQuiet.from, logsSince: ofQuiet.from, ended: { succeeded: 7 } })
    expect(lines(ofQuiet)).toBe(7)
    expect(lines(await of(`&namespace=${busy}`))).toBe(100_000)
    for (const overview of [await of(`&namespace=${busy}`), await of('')]) {
      expect(lines(overview)).toBeGreaterThanOrEqual(100_000)
      expect(overview.since).toBe(overview.from)
      expect(overview.logsSince > overview.from).toBe(true)
    }

    // Eight ranges at once, each asked for four times, while runs go on.
    const job = await createJob(api, shellJob('true'))
    const overviews = Promise.all(Array.from({ length: 32 }, (_, i) => of(`&namespace=${some}&to=${new Date(Date.now() - (i % 8) * 3_600_000).toISOString()}`)))
    const took: number[] = []
    const runs = (async () => {
      for (let i = 0; i < 10; i++) {
        const startedAt = performance.now()
        expect(await waitForEnd(api, await runJob(api, job.id))).toMatchObject({ status: 'SUCCEEDED', attempt: 1 })
        took.push(performance.now() - startedAt)
      }
    })()
    const answers = await overviews
    const untilAll = took.length
    expect(new Set(answers.map(({ to }) => to)).size).toBeGreaterThanOrEqual(8)
    await runs
    process.stdout.write(
      `32 overviews of 8 ranges: no-op runs beside them ${took.map(Math.round).join(', ')} ms, of which ${untilAll} before all had answered\n`,
    )
  })

  test('and a worker tells what it runs', async () => {
    const api = await cluster().api()
    const { instanceId, job } = await createAndRun(api, shellJob('echo started; sleep 600'))
    await waitForInstance(api, instanceId, 'has printed', ({ log }) => log.lines > 0)
    const [worker] = (await api.get('/api/workers', WorkerPage)).items
    const runs = await api.get(`/api/workers/${worker?.id}/runs`, WorkerRuns)
    expect(runs.items).toMatchObject([{ instanceId, jobId: job.id, attempt: 1, status: 'RUNNING' }])
    await api.post(`/api/instances/${instanceId}/cancel`)
    await waitForEnd(api, instanceId)
    await expect(api.get('/api/workers/no-such-worker/runs')).rejects.toMatchObject({ status: 404 })
  })
})
