import { setTimeout as sleep } from 'node:timers/promises'
import { RunCreated } from '@jobtrail/api/jobs'
import type { Db } from 'mongodb'
import type { Bench } from '../harness/bench.js'
import { machineMs } from '../harness/clock.js'
import { HttpClient } from '../harness/http-client.js'
import { programPath } from '../harness/program.js'
import { figure, type Row } from '../harness/row.js'
import { defineJob, type InstanceDocument, waitUntilSucceeded } from '../harness/runs.js'
import { percentile } from '../harness/statistics.js'

const CALLS_PER_SECOND = 50
const SECONDS = 30

export const dispatchRow: Row = {
  id: 'dispatch',
  what: 'API call → handler entered, at 50 a second',
  async measure(bench) {
    const runs = await bench.withCluster({ slots: 50, workerMain: programPath('handlers-worker') }, async (cluster) => {
      const jobId = await defineJob(cluster, { name: 'entered', trigger: { kind: 'manual' }, processor: { kind: 'handler', handler: 'entered' } })
      const http = new HttpClient(await cluster.api())
      const database = await cluster.database()
      try {
        await callSteadily(http, database, jobId, 5 * CALLS_PER_SECOND)
        return await bench.repeat('API call to handler', () => callSteadily(http, database, jobId, callsOf(bench)))
      } finally {
        http.close()
      }
    })
    return [
      figure(runs, 'p50', 'ms', (times) => percentile(times, 0.5), { atMost: 15 }),
      figure(runs, 'p99', 'ms', (times) => percentile(times, 0.99), { atMost: 60 }),
      figure(runs, 'longest', 'ms', (times) => percentile(times, 1)),
    ]
  },
}

const callsOf = (bench: Bench): number => CALLS_PER_SECOND * bench.scaled(SECONDS)

/** Milliseconds from the call to the handler, for each. Calls are made at their time, whether or not those before were answered. */
async function callSteadily(http: HttpClient, database: Db, jobId: string, calls: number): Promise<number[]> {
  const calledAt = new Map<string, number>()
  const call = async (): Promise<void> => {
    const at = machineMs()
    calledAt.set(RunCreated.parse(await http.post(`/api/jobs/${jobId}/runs`, {})).instanceId, at)
  }
  const startedAt = machineMs()
  const answers: Promise<void>[] = []
  for (let i = 0; i < calls; i++) {
    await sleep(Math.max(0, startedAt + (i * 1_000) / CALLS_PER_SECOND - machineMs()))
    answers.push(call())
  }
  await Promise.all(answers)
  const ids = [...calledAt.keys()].toSorted()
  await waitUntilSucceeded(database, ids[0] ?? '', calls)
  const instances = await database
    .collection<InstanceDocument>('instances')
    .find({ _id: { $in: ids } })
    .toArray()
  return instances.map(({ _id, result }) => (result as { machineMs: number }).machineMs - (calledAt.get(_id) ?? Number.NaN))
}
