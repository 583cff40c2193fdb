import type { ApiClient } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { LogSearchPage, LogVerification } from '@jobtrail/shared/api/logs'
import type { Binary, Db, Filter } from 'mongodb'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createAndRun, getInstance, logPage, rawLog, shellJob, uniqueName, waitForSealed } from '../support/factories.js'
import { LogFollower } from '../support/follow.js'
import { copyAsOld, DAY_MS } from '../support/old-runs.js'
import { storedForm, storedIds } from '../support/stored-ids.js'
import { whileRefused } from '../support/while-refused.js'

const cluster = useCluster({ servers: 2, workers: 1, serverEnv: { JOBTRAIL_RETENTION_SWEEP_MS: '500' } })
const LINES = 3_000
const COPIES = 4_000
const OLDER = 'older-server'

type Totals = { lines: number; firstAt?: Date; lastAt?: Date }
type StreamDocument = { _id: { instance: string | Binary }; namespace?: string; jobId?: string; state: string; totals?: Totals }
type Backfill = { _id: string; round: number; after: unknown; doneAt: Date | null }
/** What the former version did not write. */
const ADDED = { namespace: '', jobId: '', 'totals.firstAt': '', 'totals.lastAt': '' } as const
const LACKING = { $or: [{ namespace: { $exists: false } }, { jobId: { $exists: false } }] }

let api: ApiClient
let db: Db
/** Runs of one job that wrote many lines, and of one that wrote none. */
let loud = { id: '', jobId: '' }
let silent = { id: '', jobId: '' }
beforeAll(async () => {
  api = await cluster().api()
  db = await cluster().database()
  const run = async (script: string): Promise<typeof loud> => {
    const { job, instanceId } = await createAndRun(api, shellJob(script))
    await waitForSealed(api, instanceId)
    return { id: instanceId, jobId: job.id }
  }
  loud = await run(`seq 1 ${LINES}; echo needle`)
  silent = await run('true')
})
afterEach(async () => {
  await db.collection<{ _id: string }>('servers').deleteOne({ _id: OLDER })
})

const streams = () => db.collection<StreamDocument>('log_streams')
const streamOf = async (id: string): Promise<StreamDocument> => {
  const found = await streams().findOne({ '_id.instance': storedIds([id]) })
  if (found === null) throw new Error(`no record of the log of ${id}`)
  return found
}
const asFormerVersion = (which: Filter<StreamDocument>) => streams().updateMany(which, { $unset: ADDED })
const progress = () => db.collection<Backfill>('log_backfill').findOne()
const until = (what: string, check: () => Promise<boolean>): Promise<true> =>
  waitFor(async () => (await check()) || undefined, { timeoutMs: 100_000, what, intervalMs: 20 })
const done = (): Promise<true> => until('all records are complete', async () => (await progress())?.doneAt instanceof Date)

/** A server of the former version is heard of from now on, until it is taken out of the list. */
async function olderServerComes(): Promise<void> {
  const servers = db.collection<{ _id: string; lastSeenAt: Date; dataVersion?: number }>('servers')
  const one = await servers.findOne()
  if (one === null) throw new Error('no server')
  const { dataVersion: _, ...older } = one
  await done()
  await servers.insertOne({ ...older, _id: OLDER, lastSeenAt: new Date(Date.now() + DAY_MS) })
  await until('the servers know that the walk has to begin anew', async () => (await progress())?.doneAt === null)
}

test('the record of a log says whose it is, and when its first and last line were written', async () => {
  const { namespace, jobId, totals } = await streamOf(loud.id)
  expect([namespace, jobId, totals?.lines]).toEqual(['default', loud.jobId, LINES + 1])
  const { lines } = await logPage(api, loud.id, 'from=0&limit=1')
  const last = await logPage(api, loud.id, 'from=-1&limit=1')
  expect([totals?.firstAt?.toISOString(), totals?.lastAt?.toISOString()]).toEqual([lines[0]?.ts, last.lines[0]?.ts])
  const empty = await streamOf(silent.id)
  expect(empty).toMatchObject({ namespace: 'default', jobId: silent.jobId, state: 'sealed' })
  expect(empty.totals).not.toHaveProperty('firstAt')
})

describe('records that a server of the former version wrote', () => {
  test('are read like others, and are completed once no such server is left', async () => {
    const before = [await streamOf(loud.id), await streamOf(silent.id)]
    await olderServerComes()
    await asFormerVersion({})
    for (const { url } of cluster().servers) {
      const server = await cluster().api(url)
      expect((await getInstance(server, loud.id)).log).toMatchObject({ state: 'sealed', lines: LINES + 1 })
      expect((await logPage(server, loud.id, 'from=-1&limit=1')).lines.map(({ text }) => text)).toEqual(['needle'])
      expect((await rawLog(server, loud.id)).toString()).toMatch(/^1\n2\n[^]*\nneedle\n$/)
      expect(await server.get(`/api/instances/${loud.id}/logs/verify`, LogVerification)).toMatchObject({ valid: true, lines: LINES + 1 })
      const { matches } = await server.get(`/api/instances/${loud.id}/logs/search?q=needle`, LogSearchPage)
      expect(matches.map(({ n }) => n)).toEqual([LINES])
      const follower = new LogFollower([server], loud.id, '?from=-2')
      await follower.done
      expect(follower.lines.map(({ text }) => text)).toEqual([String(LINES), 'needle'])
    }
    expect(await streams().countDocuments(LACKING)).toBeGreaterThan(0)
    expect(await progress()).toMatchObject({ after: null, doneAt: null })
    await db.collection<{ _id: string }>('servers').deleteOne({ _id: OLDER })
    await done()
    expect([await streamOf(loud.id), await streamOf(silent.id)]).toEqual(before)
  })

  test('expire like others', async () => {
    await olderServerComes()
    const namespace = uniqueName('ns')
    await api.post('/api/namespaces', { name: namespace })
    await api.patch(`/api/namespaces/${namespace}`, { revision: 1, retention: { runsDays: null, logsDays: 30, auditDays: null } })
    const [id = ''] = await copyAsOld(db, loud.id, 1, { namespace, madeAgo: 31, changeStream: { namespace: undefined, jobId: undefined } })
    await until('the log has expired', async () => (await getInstance(api, id)).log.state === 'expired')
    expect((await getInstance(api, id)).log).toMatchObject({ lines: LINES + 1 })
  })

  test('are all completed when the servers are killed half-way', async () => {
    await olderServerComes()
    const namespace = uniqueName('ns')
    await api.post('/api/namespaces', { name: namespace })
    const ids = await copyAsOld(db, silent.id, COPIES, { namespace, madeAgo: 5 })
    const middle = ids[COPIES / 2] ?? ''
    await asFormerVersion({})
    await db.collection<{ _id: string }>('servers').deleteOne({ _id: OLDER })
    const completed = { namespace, jobId: silent.jobId }
    // The walk comes no further than this.
    const isBefore = { $or: [{ namespace: { $exists: false } }, { '_id.instance': { $lt: (await storedForm(db))(middle) } }] }
    await whileRefused(db, 'log_streams', isBefore, async () => {
      await until('the first half is completed', async () => (await streams().countDocuments(completed)) === COPIES / 2)
      await Promise.all(cluster().servers.map((server) => server.kill()))
    })
    expect((await progress())?.doneAt).toBeNull()
    await Promise.all(cluster().servers.map((server) => server.start()))
    await done()
    expect(await streams().countDocuments(LACKING)).toBe(0)
    expect(await streams().countDocuments(completed)).toBe(COPIES)
    expect(await streamOf(loud.id)).toMatchObject({ namespace: 'default', jobId: loud.jobId, totals: { firstAt: expect.any(Date), lastAt: expect.any(Date) } })
  })
})
