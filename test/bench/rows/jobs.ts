import { setTimeout as sleep } from 'node:timers/promises'
import { JobsCreated, MAX_JOBS_A_CALL } from '@jobtrail/api/jobs'
import type { Cluster } from '../../support/cluster.js'
import type { Bench } from '../harness/bench.js'
import { type ClusterCpu, clusterCpu } from '../harness/cluster-cpu.js'
import { HttpClient, inParallel } from '../harness/http-client.js'
import { figure, type Row } from '../harness/row.js'

const JOBS = 10_000
const CALLS = 2
const IDLE_MS = 20_000
const PARTS = ['servers', 'worker', 'mongod', 'redis'] as const

export const jobsRow: Row = {
  id: 'jobs',
  what: `jobs defined over the API, ${MAX_JOBS_A_CALL} to a call; then two servers and a worker with all of them and nothing due`,
  async measure(bench) {
    const runs = await bench.repeat('10,000 jobs', () => bench.withCluster({}, (cluster) => measure(bench, cluster)))
    return [
      figure(runs, 'first call to last answer', 'jobs/s', ({ perSecond }) => perSecond, { atLeast: 500 }),
      figure(runs, 'CPU while nothing is due, all processes', '% of a core', ({ idle }) => PARTS.reduce((sum, part) => sum + idle[part], 0), { atMost: 4 }),
      ...PARTS.map((part) => figure(runs, `of that: ${part}`, '% of a core', ({ idle }) => idle[part])),
    ]
  },
}

async function measure(bench: Bench, cluster: Cluster): Promise<{ perSecond: number; idle: ClusterCpu }> {
  const count = bench.scaled(JOBS)
  const http = new HttpClient(await cluster.api(), CALLS)
  try {
    const startedAt = performance.now()
    await inParallel(Math.ceil(count / MAX_JOBS_A_CALL), CALLS, async (call) => {
      JobsCreated.parse(
        await http.post('/api/jobs/bulk', { jobs: definitions(call * MAX_JOBS_A_CALL, Math.min(MAX_JOBS_A_CALL, count - call * MAX_JOBS_A_CALL)) }),
      )
    })
    const perSecond = count / ((performance.now() - startedAt) / 1_000)
    return { perSecond, idle: await idleCpu(bench, cluster) }
  } finally {
    http.close()
  }
}

/** Due once a year, a second apart. */
function definitions(from: number, count: number): object[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `yearly-${from + i}`,
    trigger: { kind: 'interval', everyMs: 365 * 86_400_000, startAt: new Date(Date.now() + 300 * 86_400_000 + (from + i) * 1_000).toISOString() },
    processor: { kind: 'handler', handler: 'noop' },
  }))
}

/** In percent of one core. */
async function idleCpu(bench: Bench, cluster: Cluster): Promise<ClusterCpu> {
  const before = clusterCpu(bench, cluster)
  await sleep(IDLE_MS)
  const after = clusterCpu(bench, cluster)
  const share = (part: keyof ClusterCpu): number => ((after[part] - before[part]) * 100_000) / IDLE_MS
  return { servers: share('servers'), worker: share('worker'), mongod: share('mongod'), redis: share('redis'), balancer: share('balancer') }
}
