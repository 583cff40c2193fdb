import { runCommand } from '@jobtrail/deploy/command'
import type { ChunkHeader } from '@jobtrail/shared/log/chunk'
import { unpackBody } from '@jobtrail/shared/log/codec'
import type { Binary, Db, Document } from 'mongodb'
import { storedForm } from '../support/stored-ids.js'
import type { Bench } from './harness/bench.js'
import { programPath } from './harness/program.js'

/** The raw material under Jobtrail, measured in the same run on the same machine: what a figure is to be compared with. */

const CHUNKS_PER_INSERT = 10
/** The same number of batches that a server has under way. */
const INSERTS_IN_FLIGHT = 2
const MAX_CHUNKS = 1_500
const BULLMQ_JOBS = 30_000
const BULLMQ_CONCURRENCY = 50

interface ChunkDocument extends Document {
  _id: { instance: string | Binary; task: number; attempt: number; n: number }
  count: number
}

interface Packed {
  encoding: ChunkHeader['encoding']
  body: Binary
}

/** Lines a second that the driver alone inserts: the compressed chunks that a run has stored, with the same write concern, ten to an insertMany. */
export async function insertCeiling(bench: Bench, database: Db): Promise<number> {
  const chunks = await database.collection<ChunkDocument>('log_chunks').find().limit(MAX_CHUNKS).toArray()
  const target = bench.mongo.db().collection<ChunkDocument>('chunks')
  await target.drop()
  await bench.mongo.db().createCollection('chunks')
  const batches = Array.from({ length: Math.ceil(chunks.length / CHUNKS_PER_INSERT) }, (_, i) =>
    chunks.slice(i * CHUNKS_PER_INSERT, (i + 1) * CHUNKS_PER_INSERT),
  )
  const lines = chunks.reduce((sum, { count }) => sum + count, 0)
  const startedAt = performance.now()
  const lane = async (first: number): Promise<void> => {
    for (let i = first; i < batches.length; i += INSERTS_IN_FLIGHT) await target.insertMany(batches[i] ?? [], { ordered: false })
  }
  await Promise.all(Array.from({ length: INSERTS_IN_FLIGHT }, (_, first) => lane(first)))
  return lines / ((performance.now() - startedAt) / 1_000)
}

/** Milliseconds that the driver takes for the chunks of each page; in the order of `pages`. */
export async function pageCeiling(database: Db, instanceId: string, firstLines: readonly number[], lines: number): Promise<number[]> {
  const chunks = database.collection<ChunkDocument>('log_chunks')
  const inForm = await storedForm(database)
  const id = (n: number): ChunkDocument['_id'] => ({ instance: inForm(instanceId), task: 0, attempt: 1, n })
  const times: number[] = []
  for (const from of firstLines) {
    const startedAt = performance.now()
    const [first] = await chunks.find({ _id: { $gte: id(0), $lte: id(from) } }, { sort: { _id: -1 }, limit: 1 }).toArray()
    if (first === undefined) throw new Error(`no chunk holds line ${from}`)
    const next = first._id.n + first.count
    if (next < from + lines) await chunks.find({ _id: { $gte: id(next), $lt: id(from + lines) } }, { sort: { _id: 1 } }).toArray()
    times.push(performance.now() - startedAt)
  }
  return times
}

/** What searching costs without Jobtrail: the driver reads all chunks in order, and their text is uncompressed and scanned for the bytes. */
export async function searchCeiling(database: Db, instanceId: string, word: string): Promise<{ ms: number; matches: number }> {
  const chunks = database.collection<ChunkDocument & Packed>('log_chunks')
  const inForm = await storedForm(database)
  const id = (n: number): ChunkDocument['_id'] => ({ instance: inForm(instanceId), task: 0, attempt: 1, n })
  const startedAt = performance.now()
  let matches = 0
  for await (const { encoding, body } of chunks.find({ _id: { $gte: id(0), $lt: id(Number.MAX_SAFE_INTEGER) } }, { sort: { _id: 1 } })) {
    const text = unpackBody(encoding, Buffer.from(body.buffer))
    for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) matches++
  }
  return { ms: performance.now() - startedAt, matches }
}

/**
 * No-op jobs a second of one bare BullMQ Worker in a process of its own. `run`: jobs that were added before. `addedAndRun`: from the first add to the last completed, with another
 * process that adds: the same work as that of instances which are triggered, run and stored.
 */
export interface BullmqCeiling {
  run: number
  addedAndRun: number
}

export async function bullmqCeiling(bench: Bench): Promise<BullmqCeiling> {
  const args = [programPath('bullmq-worker'), bench.redis.url, String(bench.scaled(BULLMQ_JOBS)), String(BULLMQ_CONCURRENCY)]
  const { stdout } = await runCommand(process.execPath, args, { timeoutMs: 120_000 })
  const { jobsPerSecond, addedJobsPerSecond } = JSON.parse(stdout) as { jobsPerSecond: number; addedJobsPerSecond: number }
  return { run: jobsPerSecond, addedAndRun: addedJobsPerSecond }
}
