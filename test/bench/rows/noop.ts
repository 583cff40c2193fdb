import { RunCreated, RunsCreated } from '@jobtrail/api/jobs'
import type { Db } from 'mongodb'
import { type BullmqCeiling, bullmqCeiling } from '../ceilings.js'
import type { Cluster } from '../../support/cluster.js'
import type { Bench } from '../harness/bench.js'
import { type ClusterCpu, clusterCpu } from '../harness/cluster-cpu.js'
import { HttpClient, inParallel } from '../harness/http-client.js'
import { programPath } from '../harness/program.js'
import { type Figure, figure, type Row } from '../harness/row.js'
import { defineJob, waitUntilSucceeded } from '../harness/runs.js'

const SLOTS = 400
const BULK = { instances: 20_000, perCall: 1_000, calls: 2 }
const SINGLE = { instances: 12_000, calls: 64 }

export const noopBulkRow: Row = {
  id: 'noop-bulk',
  what: 'no-op handler instances, triggered over the API 1,000 to a call, until SUCCEEDED is stored',
  measure: (bench) => measure(bench, 'no-op instances in bulk', BULK.instances, triggerInBulk),
}

export const noopSingleRow: Row = {
  id: 'noop-single',
  what: 'no-op handler instances, triggered over the API one to a call, 64 calls at a time, until SUCCEEDED is stored',
  measure: (bench) => measure(bench, 'no-op instances one by one', SINGLE.instances, triggerSingly),
}

/** Triggers so many instances; gives the ID of one that no other is older than. */
type Trigger = (http: HttpClient, jobId: string, count: number) => Promise<string>
interface NoopRun {
  perSecond: number
  ceiling: BullmqCeiling
  /** Of one instance, in seconds. */
  cpu: ClusterCpu
}

async function measure(bench: Bench, what: string, full: number, trigger: Trigger): Promise<Figure[]> {
  const count = bench.scaled(full)
  const runs = await bench.withCluster({ slots: SLOTS, workerMain: programPath('handlers-worker') }, async (cluster) => {
    const jobId = await defineJob(cluster, { name: 'noop', trigger: { kind: 'manual' }, processor: { kind: 'handler', handler: 'noop' } })
    const database = await cluster.database()
    await succeed(cluster, database, jobId, Math.min(2_000, count), trigger)
    return bench.repeat(what, async (): Promise<NoopRun> => {
      const before = clusterCpu(bench, cluster)
      const perSecond = await succeed(cluster, database, jobId, count, trigger)
      const after = clusterCpu(bench, cluster)
      const per = (part: keyof ClusterCpu): number => (after[part] - before[part]) / count
      const cpu = { servers: per('servers'), worker: per('worker'), mongod: per('mongod'), redis: per('redis'), balancer: per('balancer') }
      return { perSecond, cpu, ceiling: await bullmqCeiling(bench) }
    })
  })
  return [
    figure(runs, 'first call to all SUCCEEDED stored', 'instances/s', ({ perSecond }) => perSecond, { atLeast: 2_000 }),
    figure(runs, 'bare BullMQ, first add to last completed', 'jobs/s', ({ ceiling }) => ceiling.addedAndRun),
    figure(runs, 'share of that', '%', ({ perSecond, ceiling }) => (100 * perSecond) / ceiling.addedAndRun, { atLeast: 20 }),
    figure(runs, 'bare BullMQ, jobs added before', 'jobs/s', ({ ceiling }) => ceiling.run),
    figure(runs, 'share of that', '%', ({ perSecond, ceiling }) => (100 * perSecond) / ceiling.run),
    ...(['servers', 'worker', 'mongod', 'redis', 'balancer'] as const).map((part) =>
      figure(runs, `CPU of an instance: ${part}`, 'µs', ({ cpu }) => 1_000_000 * cpu[part]),
    ),
  ]
}

/** Instances a second. */
async function succeed(cluster: Cluster, database: Db, jobId: string, count: number, trigger: Trigger): Promise<number> {
  const http = new HttpClient(await cluster.api())
  try {
    const startedAt = performance.now()
    await waitUntilSucceeded(database, await trigger(http, jobId, count), count)
    return count / ((performance.now() - startedAt) / 1_000)
  } finally {
    http.close()
  }
}

async function triggerInBulk(http: HttpClient, jobId: string, count: number): Promise<string> {
  const ids: string[] = []
  await inParallel(Math.ceil(count / BULK.perCall), BULK.calls, async (call) => {
    const size = Math.min(BULK.perCall, count - call * BULK.perCall)
    const body = { runs: Array.from({ length: size }, () => ({})) }
    ids.push(...RunsCreated.parse(await http.post(`/api/jobs/${jobId}/runs/bulk`, body)).instanceIds)
  })
  return firstOf(ids)
}

async function triggerSingly(http: HttpClient, jobId: string, count: number): Promise<string> {
  const ids: string[] = []
  await inParallel(count, SINGLE.calls, async () => {
    ids.push(RunCreated.parse(await http.post(`/api/jobs/${jobId}/runs`, {})).instanceId)
  })
  return firstOf(ids)
}

/** IDs sort by the time of creation. */
function firstOf(ids: string[]): string {
  const [first] = ids.toSorted()
  if (first === undefined) throw new Error('nothing was triggered')
  return first
}
