import { randomBytes } from 'node:crypto'
import type { Db, Document } from 'mongodb'
import { storedForm, storedIds } from './stored-ids.js'

export const DAY_MS = 86_400_000

/** An instance ID as it was made so many days ago. */
function idOf(daysAgo: number): string {
  const time = Math.floor(Date.now() - daysAgo * DAY_MS)
    .toString(16)
    .padStart(12, '0')
  const random = randomBytes(10).toString('hex')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-8${random.slice(3, 6)}-${random.slice(6, 18)}`
}

/** Stores ended attempts of a namespace that logged a line each, evenly over so many days up to now, and runs for the newest of them. Only what the overview reads of them. */
export async function fillWithRuns(db: Db, namespace: string, counts: { runs: number; attempts: number; days: number }): Promise<void> {
  const jobId = crypto.randomUUID()
  const ended = { status: 'SUCCEEDED', namespace }
  const all = Array.from({ length: counts.attempts }, (_, i) => {
    const ago = counts.days * (1 - i / counts.attempts)
    return { id: idOf(ago), at: new Date(Date.now() - ago * DAY_MS) }
  })
  const runs = all.slice(-counts.runs).map(({ id, at }) => ({
    _id: id,
    ...ended,
    jobId,
    jobName: 'filled',
    attempt: 1,
    createdAt: at,
    dueAt: at,
    startedAt: at,
    finishedAt: new Date(at.getTime() + 5),
  }))
  const attempts = all.map(({ id, at }) => ({
    _id: { instance: id, task: 0, attempt: 1 },
    ...ended,
    workerId: 'none',
    dispatchedAt: at,
    leaseExpiresAt: null,
    logTotals: { lines: 1, bytes: 10 },
  }))
  for (let from = 0; from < attempts.length; from += 20_000) {
    // Servers read what a majority has: when it has the last ones, it has all.
    const options = { ordered: false, writeConcern: { w: from + 20_000 < attempts.length ? 1 : 'majority' } } as const
    const inserts: Promise<unknown>[] = [db.collection<Document & { _id: object }>('attempts').insertMany(attempts.slice(from, from + 20_000), options)]
    const some = runs.slice(from, from + 20_000)
    if (some.length > 0) inserts.push(db.collection<{ _id: string }>('instances').insertMany(some, options))
    await Promise.all(inserts)
  }
}

export interface Age {
  namespace: string
  /** Days since it was made. */
  madeAgo: number
  /** Days since it ended; as `madeAgo` when left out. */
  endedAgo?: number
  /** Members of the instance that are to be otherwise. */
  change?: Document
  /** What is changed of its attempts, and of its log streams; undefined takes a member away. */
  changeAttempt?: Document
  changeStream?: Document
}

/**
 * Stores what a real run left behind once more, as of a run that was made and that ended long ago: the only way to have old runs without waiting. Only the digests of
 * their logs are not right, as the ID is part of them. Returns the IDs, oldest first.
 */
export async function copyAsOld(db: Db, instanceId: string, count: number, age: Age): Promise<string[]> {
  const { namespace, madeAgo, endedAgo = madeAgo, change, changeAttempt, changeStream } = age
  const instance = await db.collection<{ _id: string }>('instances').findOne({ _id: instanceId })
  if (instance === null) throw new Error(`no instance ${instanceId}`)
  const parts = ['attempts', 'log_streams', 'log_chunks'] as const
  const originals = await Promise.all(parts.map((name) => db.collection(name).find({ '_id.instance': storedIds([instanceId]) }).toArray()))
  const endedAt = new Date(Date.now() - endedAgo * DAY_MS)
  const ids = Array.from({ length: count }, () => idOf(madeAgo)).toSorted()
  const copies = ids.map((_id) => ({ ...instance, namespace, createdAt: new Date(Date.now() - madeAgo * DAY_MS), finishedAt: endedAt, ...change, _id }))
  const ofLogs = await storedForm(db)
  for (const [i, name] of parts.entries()) {
    const more = name === 'attempts' ? { namespace, ...changeAttempt } : name === 'log_streams' ? { namespace, ...changeStream } : {}
    const form = name === 'attempts' ? (id: string) => id : ofLogs
    const documents: Document[] = ids.flatMap((id) => (originals[i] ?? []).map((each) => ({ ...each, ...more, _id: { ...each['_id'], instance: form(id) } })))
    for (let at = 0; at < documents.length; at += 2_000) await db.collection(name).insertMany(documents.slice(at, at + 2_000), { ignoreUndefined: true })
  }
  await db.collection<{ _id: string }>('instances').insertMany(copies)
  return ids
}

/** What is stored of runs, by collection. */
export async function countStored(db: Db, ids: readonly string[]): Promise<Record<string, number>> {
  const [instances, attempts, streams, chunks] = await Promise.all([
    db.collection<{ _id: string }>('instances').countDocuments({ _id: { $in: [...ids] } }),
    ...['attempts', 'log_streams', 'log_chunks'].map((name) => db.collection(name).countDocuments({ '_id.instance': storedIds(ids) })),
  ])
  return { instances: instances ?? 0, attempts: attempts ?? 0, streams: streams ?? 0, chunks: chunks ?? 0 }
}
