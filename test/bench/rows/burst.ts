import { RunCreated, RunsCreated } from '@jobtrail/api/jobs'
import { Redis } from 'ioredis'
import type { Cluster } from '../../support/cluster.js'
import type { Bench } from '../harness/bench.js'
import { HttpClient, inParallel } from '../harness/http-client.js'
import { programPath } from '../harness/program.js'
import { figure, type Row } from '../harness/row.js'
import { defineJob, waitUntilSucceeded } from '../harness/runs.js'
import { percentile } from '../harness/statistics.js'

const BURSTS = [100_000, 200_000]
const PER_CALL = 1_000
const CALLS = 4
const AFTERWARDS = 100

interface Burst {
  /** Of runs that were triggered one after another once the burst was over: from the call to the end. */
  times: number[]
  staleJobs: number
}

export const burstRow: Row = {
  id: 'burst',
  what: 'a run of the same route right after a burst of no-op runs, triggered 1,000 to a call, has ended',
  async measure(bench) {
    const figures = []
    for (const full of BURSTS) {
      const runs = await bench.withCluster({ slots: 400, workerMain: programPath('handlers-worker') }, (cluster) =>
        bench.repeat(`burst of ${full.toLocaleString('en')}`, () => burst(bench, cluster, bench.scaled(full))),
      )
      const after = `after ${full.toLocaleString('en')}`
      figures.push(
        figure(runs, `${after}: first run, call → SUCCEEDED stored`, 'ms', ({ times }) => times[0] ?? Number.NaN, { atMost: 500 }),
        figure(runs, `${after}: p99 of the next ${AFTERWARDS}`, 'ms', ({ times }) => percentile(times, 0.99)),
        figure(runs, `${after}: stale BullMQ jobs`, 'jobs', ({ staleJobs }) => staleJobs, { atMost: 0 }),
      )
    }
    return figures
  },
}

async function burst(bench: Bench, cluster: Cluster, count: number): Promise<Burst> {
  const jobId = await defineJob(cluster, { name: `noop-${Date.now()}`, trigger: { kind: 'manual' }, processor: { kind: 'handler', handler: 'noop' } })
  const http = new HttpClient(await cluster.api())
  try {
    const database = await cluster.database()
    const ids: string[] = []
    await inParallel(Math.ceil(count / PER_CALL), CALLS, async (call) => {
      const runs = Array.from({ length: Math.min(PER_CALL, count - call * PER_CALL) }, () => ({}))
      ids.push(...RunsCreated.parse(await http.post(`/api/jobs/${jobId}/runs/bulk`, { runs })).instanceIds)
    })
    await waitUntilSucceeded(database, ids.toSorted()[0] ?? '', count, 600_000)
    const staleJobs = await queuedJobs(bench, cluster)
    const times: number[] = []
    for (let i = 0; i < AFTERWARDS; i++) {
      const startedAt = performance.now()
      const { instanceId } = RunCreated.parse(await http.post(`/api/jobs/${jobId}/runs`, {}))
      await waitUntilSucceeded(database, instanceId, 1)
      times.push(performance.now() - startedAt)
    }
    return { times, staleJobs }
  } finally {
    http.close()
  }
}

/** Jobs that are left in all of BullMQ's queues although nothing waits. */
async function queuedJobs(bench: Bench, cluster: Cluster): Promise<number> {
  const redis = new Redis(bench.redis.url)
  try {
    const lists = await redis.keys(`${cluster.keyPrefix}:{*}:prioritized`)
    const counts = await Promise.all(lists.map((list) => redis.zcard(list)))
    return counts.reduce((sum, count) => sum + count, 0)
  } finally {
    redis.disconnect()
  }
}
