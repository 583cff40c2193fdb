import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { waitFor } from '@jobtrail/deploy/wait'
import { describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createJob, type JobInput, uniqueName } from '../support/factories.js'

const CRON_JOBS = 200
const INTERVAL_JOBS = 50
const INTERVAL_MS = 700
const WATCHED_MS = 40_000
const ROUNDS = 6
/** In this round, counted from 0, no server is there for so long. */
const OUTAGE_ROUND = 2
const OUTAGE_MS = 5_000
/** What a server may be wrong by about the time. */
const CLOCKS_DIFFER_MS = 250
/** Instances are made no earlier than this before they are due. */
const MADE_AHEAD_MS = 2_000 + CLOCKS_DIFFER_MS

type Fired = { _id: string; jobId: string; scheduledFor: Date; createdAt: Date; status: string }

describe('a scheduled time fires once', () => {
  const cluster = useCluster({
    servers: 2,
    workers: 2,
    slots: 200,
    workerArgs: ['--handlers', fileURLToPath(new URL('../support/handlers.mjs', import.meta.url))],
  })

  test('200 cron jobs every second and 50 intervals, for 40 s, while servers are killed and come back, once all of them together', async () => {
    const api = await cluster().api()
    const processor: JobInput['processor'] = { kind: 'handler', handler: 'noop' }
    const jobs = await Promise.all([
      ...Array.from({ length: CRON_JOBS }, () => createJob(api, { name: uniqueName('cron'), trigger: { kind: 'cron', expression: '* * * * * *' }, processor })),
      ...Array.from({ length: INTERVAL_JOBS }, () =>
        createJob(api, { name: uniqueName('interval'), trigger: { kind: 'interval', everyMs: INTERVAL_MS }, processor }),
      ),
    ])
    const from = Date.now()
    const until = from + WATCHED_MS

    // Each server in turn, with SIGKILL: also whichever is firing at the moment. In one round both.
    const outage = { from: 0, to: 0 }
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(4_000)
      const isOutage = round === OUTAGE_ROUND
      const servers = isOutage ? cluster().servers : [cluster().server(round % 2)]
      await Promise.all(servers.map((server) => server.kill()))
      const killedAt = Date.now()
      await sleep(isOutage ? OUTAGE_MS : 1_500)
      if (isOutage) Object.assign(outage, { from: killedAt + MADE_AHEAD_MS, to: Date.now() })
      await Promise.all(servers.map((server) => server.start()))
    }
    await sleep(Math.max(0, until - Date.now()))

    const database = await cluster().database()
    const instances = database.collection<Fired>('instances')
    const isJob = new Map(jobs.map((job) => [job.id, job]))
    const expected = (job: (typeof jobs)[number], times: number[]): number[] => {
      const step = job.trigger.kind === 'interval' ? INTERVAL_MS : 1_000
      const first = times[0] ?? Number.NaN
      return Array.from({ length: Math.floor((until - first) / step) + 1 }, (_, i) => first + i * step)
    }
    const firedTimes = async (): Promise<Map<string, number[]>> => {
      const fired = await instances
        .find({ scheduledFor: { $gte: new Date(from), $lte: new Date(until) } }, { projection: { jobId: 1, scheduledFor: 1 } })
        .sort({ scheduledFor: 1 })
        .toArray()
      const times = new Map<string, number[]>()
      for (const { jobId, scheduledFor } of fired) times.set(jobId, [...(times.get(jobId) ?? []), scheduledFor.getTime()])
      return times
    }
    // Late ones are late: what is due until the end of the watched time has to be there a little after it.
    await waitFor(
      async () => {
        const times = await firedTimes()
        return jobs.every((job) => (times.get(job.id)?.length ?? 0) >= expected(job, times.get(job.id) ?? []).length)
      },
      { timeoutMs: 60_000, what: 'every scheduled time to have its instance', intervalMs: 500 },
    )
    const times = await firedTimes()
    expect(times.size).toBe(CRON_JOBS + INTERVAL_JOBS)
    for (const [jobId, fired] of times) {
      const job = isJob.get(jobId)
      if (job === undefined) throw new Error(`Instance of a job that the test did not make: ${jobId}`)
      // The first time is within a step of the job's creation; from there on none is missing and none is double.
      expect(fired, job.name).toEqual(expected(job, fired))
      expect(fired[0], job.name).toBeLessThanOrEqual(from + 2 * (job.trigger.kind === 'interval' ? INTERVAL_MS : 1_000))
      if (job.trigger.kind === 'cron') expect(fired.every((time) => time % 1_000 === 0)).toBe(true)
    }

    // What was due while nobody could fire is among them, late. (That none is missing and none is double was seen above.)
    const held = await instances.find({ scheduledFor: { $gte: new Date(outage.from), $lt: new Date(outage.to) } }).toArray()
    expect(new Set(held.map(({ jobId }) => jobId)).size).toBe(CRON_JOBS + INTERVAL_JOBS)
    expect(held.filter(({ createdAt }) => createdAt.getTime() < outage.to - CLOCKS_DIFFER_MS)).toEqual([])

    // And each runs, once.
    for (const job of jobs) await api.post(`/api/jobs/${job.id}/disable`)
    await waitFor(async () => (await instances.countDocuments({ status: { $in: ['WAITING', 'RUNNING'] } })) === 0, {
      timeoutMs: 120_000,
      what: 'every instance to end',
      intervalMs: 500,
    })
    expect(await instances.distinct('status')).toEqual(['SUCCEEDED'])
    const attempts = database.collection('attempts')
    const doubles = await attempts
      .aggregate([{ $match: { status: 'SUCCEEDED' } }, { $group: { _id: '$_id.instance', count: { $sum: 1 } } }, { $match: { count: { $ne: 1 } } }])
      .toArray()
    expect(doubles).toEqual([])
  }, 400_000)
})
