import { waitFor } from '@jobtrail/deploy/wait'
import type { Db } from 'mongodb'
import type { Cluster } from '../../support/cluster.js'
import type { Bench } from '../harness/bench.js'
import { HttpClient, inParallel } from '../harness/http-client.js'
import { programPath } from '../harness/program.js'
import { figure, type Row } from '../harness/row.js'
import type { InstanceDocument } from '../harness/runs.js'
import { percentile } from '../harness/statistics.js'

const JOBS = 1_000
const EVERY_SECONDS = 15

export const dueRow: Row = {
  id: 'due',
  what: '1,000 cron jobs due in the same second, two servers: lateness of the start',
  async measure(bench) {
    const runs = await bench.withCluster({ slots: 500, workers: 2, workerMain: programPath('handlers-worker') }, (cluster) => fire(bench, cluster))
    return [
      figure(runs, 'p50', 'ms', (times) => percentile(times, 0.5)),
      figure(runs, 'p99', 'ms', (times) => percentile(times, 0.99), { atMost: 250 }),
      figure(runs, 'longest', 'ms', (times) => percentile(times, 1)),
    ]
  },
}

/** Milliseconds from the scheduled time to the handler, for each job, of as many firings as there are runs. */
async function fire(bench: Bench, cluster: Cluster): Promise<number[][]> {
  const jobs = bench.scaled(JOBS)
  const http = new HttpClient(await cluster.api())
  try {
    await inParallel(jobs, 16, async (i) => {
      const trigger = { kind: 'cron', expression: `*/${EVERY_SECONDS} * * * * *` }
      await http.post('/api/jobs', { name: `due-${i}`, trigger, processor: { kind: 'handler', handler: 'entered' } })
    })
  } finally {
    http.close()
  }
  const database = await cluster.database()
  // The first time after all are defined warms up; the next ones count.
  let at = nextTime(Date.now() + 2_000)
  await firedAt(database, at, jobs)
  return bench.repeat('jobs due in the same second', () => {
    at = new Date(at.getTime() + EVERY_SECONDS * 1_000)
    return firedAt(database, at, jobs)
  })
}

function nextTime(after: number): Date {
  const everyMs = EVERY_SECONDS * 1_000
  return new Date(Math.ceil(after / everyMs) * everyMs)
}

/** Waits until every job of this scheduled time has ended, and gives how late each was. */
async function firedAt(database: Db, scheduledFor: Date, jobs: number): Promise<number[]> {
  const instances = database.collection<InstanceDocument>('instances')
  const untilDue = scheduledFor.getTime() - Date.now()
  const ended = await waitFor(
    async () => {
      // Nothing is asked of MongoDB while the jobs start.
      if (Date.now() < scheduledFor.getTime() + 1_500) return undefined
      const found = await instances.find({ scheduledFor, status: 'SUCCEEDED' }).toArray()
      return found.length >= jobs ? found : undefined
    },
    { timeoutMs: untilDue + 60_000, what: `${jobs} jobs due at ${scheduledFor.toISOString()}`, intervalMs: 200 },
  )
  return ended.map(({ result }) => (result as { epochMs: number }).epochMs - scheduledFor.getTime())
}
