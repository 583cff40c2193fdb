import type { Binary, Db } from 'mongodb'
import { insertCeiling } from '../ceilings.js'
import type { Cluster } from '../../support/cluster.js'
import { storedIds } from '../../support/stored-ids.js'
import type { Bench } from './bench.js'
import { pidOf } from './cluster-roles.js'
import { childrenOf, cpuTime, peakMib } from './process-meter.js'
import { defineJob, runMany, waitUntilSealed } from './runs.js'

const INSTANCES = 10

/** One run of ten instances that print as fast as they can. */
export interface IngestionRun {
  linesPerSecond: number
  /** What the driver alone does with the same chunks. */
  ceilingLinesPerSecond: number
  bytesPerLine: number
  /** Of that, what the documents are before MongoDB compresses them again. */
  documentBytesPerLine: number
  serverPeakMib: number
  workerPeakMib: number
  /** The process that kills what a dead worker leaves behind. */
  guardPeakMib: number
  /** Seconds of CPU per second of the run. */
  cpu: { printers: number; worker: number; servers: number; mongod: number }
}

interface ChunkDocument {
  _id: { instance: string | Binary; n: number }
  firstAt: Date
}

interface CollectionStats {
  storageStats: { size: number; storageSize: number; totalIndexSize: number }
}

/** Prints, stores and seals; on a cluster that does it for the first time, so that peaks of memory are those of this run. */
export function measureIngestion(bench: Bench): Promise<IngestionRun[]> {
  return bench.repeat('log ingestion', () => bench.withCluster({ slots: INSTANCES }, (cluster) => ingest(bench, cluster)))
}

async function ingest(bench: Bench, cluster: Cluster): Promise<IngestionRun> {
  const { path, lines } = await bench.corpusFile()
  const database = await cluster.database()
  const jobId = await defineJob(cluster, { name: 'printer', trigger: { kind: 'manual' }, processor: { kind: 'shell', command: 'cat', args: [path] } })
  const servers = cluster.servers.map(pidOf)
  const worker = pidOf(cluster.worker(0))
  const before = cpuOf(servers, worker, bench.mongodPid)

  const instanceIds = await runMany(cluster, jobId, INSTANCES)
  const sealedAt = await waitUntilSealed(database, instanceIds, lines * INSTANCES)
  const after = cpuOf(servers, worker, bench.mongodPid)
  const seconds = (sealedAt - (await firstLineAt(database, instanceIds))) / 1_000
  const per = (key: keyof IngestionRun['cpu']): number => (after[key] - before[key]) / seconds

  const stored = await storedBytes(database)
  const ceilingLinesPerSecond = await insertCeiling(bench, database)
  return {
    linesPerSecond: (lines * INSTANCES) / seconds,
    ceilingLinesPerSecond,
    bytesPerLine: stored.total / (lines * INSTANCES),
    documentBytesPerLine: stored.documents / (lines * INSTANCES),
    serverPeakMib: Math.max(...servers.map(peakMib)),
    workerPeakMib: peakMib(worker),
    // The printers have ended: what is left of the worker's children is its guard.
    guardPeakMib: Math.max(0, ...childrenOf(worker).map(peakMib)),
    cpu: { printers: per('printers'), worker: per('worker'), servers: per('servers'), mongod: per('mongod') },
  }
}

function cpuOf(servers: readonly number[], worker: number, mongod: number): IngestionRun['cpu'] {
  const { own, children } = cpuTime(worker)
  return { printers: children, worker: own, servers: servers.reduce((sum, pid) => sum + cpuTime(pid).own, 0), mongod: cpuTime(mongod).own }
}

/** When the first line was read, by the worker's clock. */
async function firstLineAt(database: Db, instanceIds: readonly string[]): Promise<number> {
  const first = await database
    .collection<ChunkDocument>('log_chunks')
    .find({ '_id.instance': storedIds(instanceIds), '_id.n': 0 }, { projection: { firstAt: 1 } })
    .toArray()
  return Math.min(...first.map(({ firstAt }) => firstAt.getTime()))
}

/** What the logs take on disk, data and indexes, once everything is in a checkpoint. */
async function storedBytes(database: Db): Promise<{ total: number; documents: number }> {
  await database.admin().command({ fsync: 1 })
  let total = 0
  let documents = 0
  for (const name of ['log_chunks', 'log_streams']) {
    const [stats] = await database
      .collection(name)
      .aggregate<CollectionStats>([{ $collStats: { storageStats: {} } }])
      .toArray()
    if (stats === undefined) throw new Error(`${name} has no statistics`)
    total += stats.storageStats.storageSize + stats.storageStats.totalIndexSize
    documents += stats.storageStats.size
  }
  return { total, documents }
}
