import { waitFor } from '@jobtrail/deploy/wait'
import { type CreateJob, JobView, RunsCreated } from '@jobtrail/shared/api/jobs'
import type { Db } from 'mongodb'
import type { z } from 'zod'
import type { Cluster } from '../../support/cluster.js'
import { storedIds } from '../../support/stored-ids.js'

/** A job as it is sent: whatever has a default may be left out. */
export type JobInput = z.input<typeof CreateJob>

/** Documents of the instances, as far as they are looked at behind the API. */
export interface InstanceDocument {
  _id: string
  namespace: string
  jobId: string
  status: string
  scheduledFor?: Date
  result: unknown
}

interface StreamDocument {
  state: string
  totals?: { lines: number }
  sealedAt?: Date
}

/** Defines a job and gives its ID. */
export async function defineJob(cluster: Cluster, job: JobInput): Promise<string> {
  return (await (await cluster.api()).post('/api/jobs', job, JobView)).id
}

/** Runs a job so many times, in one call. */
export async function runMany(cluster: Cluster, jobId: string, count: number): Promise<string[]> {
  const body = { runs: Array.from({ length: count }, () => ({})) }
  return (await (await cluster.api()).post(`/api/jobs/${jobId}/runs/bulk`, body, RunsCreated)).instanceIds
}

/** Waits until the logs of all instances are sealed, and gives the time (by the server's clock) at which the last was. */
export async function waitUntilSealed(database: Db, instanceIds: readonly string[], lines: number, timeoutMs = 600_000): Promise<number> {
  const streams = database.collection<StreamDocument>('log_streams')
  const sealed = await waitFor(
    async () => {
      const found = await streams.find({ state: 'sealed', '_id.instance': storedIds(instanceIds) }).toArray()
      return found.length === instanceIds.length ? found : undefined
    },
    { timeoutMs, what: `${instanceIds.length} sealed logs`, intervalMs: 100 },
  )
  const total = sealed.reduce((sum, { totals }) => sum + (totals?.lines ?? 0), 0)
  if (total !== lines) throw new Error(`${lines} lines were printed and ${total} are in the sealed logs`)
  return Math.max(...sealed.map(({ sealedAt }) => sealedAt?.getTime() ?? Number.NaN))
}

/**
 * Waits until no instance from `firstId` on is unfinished, and checks that there are so many and that all are SUCCEEDED. Asks for one document at a time: counting would
 * slow down what is measured. All have to be stored already.
 */
export async function waitUntilSucceeded(database: Db, firstId: string, count: number, timeoutMs = 300_000): Promise<void> {
  const instances = database.collection<InstanceDocument>('instances')
  const since = { namespace: 'default', _id: { $gte: firstId } }
  const unfinished = { ...since, status: { $in: ['WAITING', 'RUNNING'] } }
  await waitFor(async () => (await instances.findOne(unfinished, { projection: { _id: 1 } })) === null, {
    timeoutMs,
    what: `${count} finished instances`,
    intervalMs: 20,
  })
  const succeeded = await instances.countDocuments({ ...since, status: 'SUCCEEDED' })
  if (succeeded !== count) throw new Error(`${succeeded} instances are SUCCEEDED and not ${count}`)
}
