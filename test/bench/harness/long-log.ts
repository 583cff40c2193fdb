import type { Db } from 'mongodb'
import type { Cluster } from '../../support/cluster.js'
import type { Bench } from './bench.js'
import { LINE_BYTES } from './corpus.js'
import { defineJob, runMany, waitUntilSealed } from './runs.js'

const LINES = 1_000_000

/** A stored, sealed log of 1,000,000 lines. */
export interface LongLog {
  instanceId: string
  lines: number
  bytes: number
  database: Db
}

/** Has it printed by an instance, through the worker and a server as every log. */
export async function printLongLog(bench: Bench, cluster: Cluster): Promise<LongLog> {
  const { path, lines: fileLines } = await bench.corpusFile()
  const copies = Math.ceil(bench.scaled(LINES) / fileLines)
  const lines = copies * fileLines
  const args = Array.from({ length: copies }, () => path)
  const jobId = await defineJob(cluster, { name: 'long', trigger: { kind: 'manual' }, processor: { kind: 'shell', command: 'cat', args } })
  const database = await cluster.database()
  const [instanceId = ''] = await runMany(cluster, jobId, 1)
  await waitUntilSealed(database, [instanceId], lines)
  return { instanceId, lines, bytes: lines * LINE_BYTES, database }
}
