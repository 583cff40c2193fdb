import { ApiClient } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { AuditPage, KEPT_REVISIONS, NamespaceView, type Retention } from '@jobtrail/shared/api/auth'
import { JobRevisionView, JobView } from '@jobtrail/shared/api/jobs'
import { LogSearchPage } from '@jobtrail/shared/api/logs'
import { ChunkBuilder } from '@jobtrail/shared/log/chunk-builder'
import { Redis } from 'ioredis'
import type { Binary, Db } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createAndRun, getInstance, logPage, rawLog, shellJob, uniqueName, waitForEnd, waitForSealed } from '../support/factories.js'
import { LogFollower } from '../support/follow.js'
import { readMetric } from '../support/metrics.js'
import { copyAsOld, countStored, DAY_MS } from '../support/old-runs.js'
import { ProtocolWorker } from '../support/protocol-worker.js'
import { storedIds } from '../support/stored-ids.js'

const cluster = useCluster({ servers: 2, workers: 1, serverEnv: { JOBTRAIL_RETENTION_SWEEP_MS: '500', JOBTRAIL_AUDIT_DAYS: '200' } })
const NOTHING = { instances: 0, attempts: 0, streams: 0, chunks: 0 }
const LINES = 3

let api: ApiClient
let db: Db
let redis: Redis
/** A run that ended well, and one that failed; both wrote LINES lines. */
let succeeded = ''
let failed = ''
beforeAll(async () => {
  api = await cluster().api()
  db = await cluster().database()
  redis = new Redis(cluster().redisUrl)
  succeeded = (await createAndRun(api, shellJob('echo one; echo two; echo three'))).instanceId
  failed = (await createAndRun(api, shellJob('echo one; echo two; echo three; exit 1'))).instanceId
  for (const id of [succeeded, failed]) await waitForSealed(api, id)
})

afterAll(() => redis.disconnect())

async function newNamespace(retention?: Retention): Promise<string> {
  const name = uniqueName('ns')
  await api.post('/api/namespaces', { name })
  if (retention !== undefined) await api.patch(`/api/namespaces/${name}`, { revision: 1, retention })
  return name
}

const keep = (runsDays: number | null, logsDays: number | null = null, auditDays: number | null = null): Retention => ({ runsDays, logsDays, auditDays })
const until = (what: string, check: () => Promise<boolean>): Promise<true> =>
  waitFor(async () => (await check()) || undefined, { timeoutMs: 100_000, what, intervalMs: 100 })
const untilGone = (ids: readonly string[]): Promise<true> => until('the old runs are gone', async () => (await countStored(db, ids))['instances'] === 0)
const untilExpired = (id: string): Promise<true> => until('the log has expired', async () => (await getInstance(api, id)).log.state === 'expired')
const lockKey = (): string => `${cluster().keyPrefix}:retention-lock`

describe('how long a namespace keeps things', () => {
  test('is for ever unless somebody says otherwise, which is checked and recorded', async () => {
    const name = uniqueName('ns')
    expect(await api.post('/api/namespaces', { name }, NamespaceView)).toMatchObject({ retention: keep(null), revision: 1 })
    const change = (body: unknown): Promise<NamespaceView> => api.patch(`/api/namespaces/${name}`, body, NamespaceView)
    expect(await change({ revision: 1, retention: { runsDays: 90, logsDays: 0 } })).toMatchObject({ retention: keep(90), revision: 2 })
    await expect(change({ revision: 1, retention: keep(30) })).rejects.toMatchObject({
      status: 409,
      code: 'STALE_REVISION',
      body: { current: { revision: 2 } },
    })
    for (const [retention, path] of [
      [keep(30, 31), 'retention.logsDays'],
      [keep(-1), 'retention.runsDays'],
      [{ runsDays: 30 }, 'retention.logsDays'],
      [{ ...keep(30), years: 1 }, 'retention'],
    ] as const)
      await expect(change({ revision: 2, retention })).rejects.toMatchObject({ status: 400, body: { errors: [{ path: expect.stringContaining(path) }] } })
    const [record] = (await api.get(`/api/audit?namespace=${name}&action=namespace.change`, AuditPage)).items
    expect(record).toMatchObject({ actor: 'admin', target: { id: name }, details: { revision: 2, retention: { from: keep(null), to: keep(90) } } })
  })

  test('is said by its admins only, and unknown to strangers', async () => {
    const name = await newNamespace()
    const as = async (grants: Record<string, string>): Promise<ApiClient> => {
      const username = uniqueName('user')
      await api.post('/api/users', { username, password: 'a-long-password', grants })
      return ApiClient.login(cluster().url, username, 'a-long-password')
    }
    const change = (who: ApiClient, revision: number, retention: unknown): Promise<unknown> => who.patch(`/api/namespaces/${name}`, { revision, retention })
    await expect(change(await as({ [name]: 'operator' }), 1, keep(7))).rejects.toMatchObject({ status: 403 })
    await expect(change(await as({ default: 'admin' }), 1, keep(7))).rejects.toMatchObject({ status: 404 })
    const own = await as({ [name]: 'admin' })
    await expect(change(own, 1, keep(7))).resolves.toMatchObject({ retention: keep(7) })
    // Nobody removes the traces of what they did.
    await expect(change(own, 2, keep(7, null, 1))).rejects.toMatchObject({ status: 403 })
    await expect(change(api, 2, keep(7, null, 365))).resolves.toMatchObject({ retention: keep(7, null, 365) })
    await expect(change(own, 3, { runsDays: 8, logsDays: null })).resolves.toMatchObject({ retention: keep(8, null, 365) })
  })
})

describe('what is kept long enough', () => {
  test('goes with all that belongs to it; what is younger, active, or of another namespace stays', async () => {
    const [other, namespace] = [await newNamespace(), await newNamespace()]
    const copy = (madeAgo: number, more: object = {}): Promise<string[]> => copyAsOld(db, succeeded, 2, { namespace, madeAgo, ...more })
    const old = await copy(31)
    const kept = [
      ...(await copy(29)),
      // Made long ago, but ended a moment ago; or not at all.
      ...(await copy(40, { endedAgo: 1 })),
      ...(await copy(40, { change: { status: 'WAITING', finishedAt: null, queued: false, dueAt: new Date(Date.now() + 3_600_000) } })),
      // The worker may come back with the rest of the log.
      ...(await copy(36, { changeStream: { state: 'interrupted' } })),
      ...(await copyAsOld(db, succeeded, 2, { namespace: other, madeAgo: 400 })),
    ]
    const interruptedForLong = await copy(38, { changeStream: { state: 'interrupted' } })
    const before = await countStored(db, kept)
    await api.patch(`/api/namespaces/${namespace}`, { revision: 1, retention: keep(30) })
    await untilGone([...old, ...interruptedForLong])
    expect(await countStored(db, [...old, ...interruptedForLong])).toEqual(NOTHING)
    await expect(getInstance(api, old[0] ?? '')).rejects.toMatchObject({ status: 404 })
    // By then the walk has come by all of them.
    await until('the walk is over', async () => (await db.collection('retention_progress').countDocuments({ _id: namespace as never })) === 1)
    expect(await countStored(db, kept)).toEqual(before)
    expect((await rawLog(api, kept[0] ?? '')).toString()).toBe('one\ntwo\nthree\n')
    // Runs are kept for ever for a while: those that the walk has passed are not forgotten over it.
    const revisits = db.collection('retention_revisits')
    await api.patch(`/api/namespaces/${namespace}`, { revision: 2, retention: keep(null, 300) })
    await revisits.updateMany({ namespace }, { $set: { at: new Date(0) } })
    await until('they were looked at', async () => (await revisits.countDocuments({ namespace, at: new Date(0) })) === 0)
    expect(await revisits.countDocuments({ namespace })).toBe(6)
  })

  test('a log that expired says on every server and in every way that it had lines, and how many', async () => {
    const namespace = await newNamespace(keep(null, 30))
    const [id = ''] = await copyAsOld(db, succeeded, 1, { namespace, madeAgo: 31 })
    await untilExpired(id)
    const { log, attempts } = await getInstance(api, id)
    expect(log).toEqual({ state: 'expired', lines: LINES, bytes: 14, expiredAt: expect.any(String) })
    expect(attempts[0]?.log).toEqual(log)
    await until('its chunks are gone', async () => (await countStored(db, [id]))['chunks'] === 0)
    const said = { state: 'expired', total: LINES, expiredAt: log.expiredAt }
    for (const { url } of cluster().servers) {
      const server = await cluster().api(url)
      for (const query of ['', 'from=-10', 'from=2', 'order=desc', 'stream=stderr']) {
        expect(await logPage(server, id, query), query).toMatchObject({ ...said, lines: [], next: null })
      }
      expect(await server.get(`/api/instances/${id}/logs/search?q=one`, LogSearchPage)).toMatchObject({ ...said, matches: [], next: null })
      const follower = new LogFollower([server], id)
      await follower.done
      expect(follower.end).toMatchObject(said)
      expect(follower.lines).toEqual([])
      const gone = { status: 410, code: 'LOG_EXPIRED', body: { detail: expect.stringContaining(`had ${LINES} lines`) } }
      await expect(rawLog(server, id)).rejects.toMatchObject(gone)
      await expect(rawLog(server, id, 'timestamps=true')).rejects.toMatchObject(gone)
      await expect(server.get(`/api/instances/${id}/logs/verify`)).rejects.toMatchObject(gone)
      expect((await server.raw('HEAD', `/api/instances/${id}/logs/raw`)).status).toBe(410)
    }
    expect(await countStored(db, [id])).toMatchObject({ instances: 1, attempts: 1, streams: 1 })
  })

  test('a run without a line keeps its log, which is complete: nothing of it was removed', async () => {
    const { instanceId } = await createAndRun(api, shellJob('true'))
    await waitForSealed(api, instanceId)
    const namespace = await newNamespace(keep(null, 30))
    const [silent = ''] = await copyAsOld(db, instanceId, 1, { namespace, madeAgo: 32 })
    const [loud = ''] = await copyAsOld(db, succeeded, 1, { namespace, madeAgo: 31 })
    await untilExpired(loud)
    expect((await getInstance(api, silent)).log).toEqual({ state: 'sealed', lines: 0, bytes: 0 })
  })

  test('a log that was never sealed expires also when none of its lines can be read', async () => {
    const namespace = await newNamespace()
    const more = { namespace, madeAgo: 40, changeStream: { state: 'interrupted', totals: undefined } }
    const [empty = '', headless = ''] = await copyAsOld(db, succeeded, 2, more)
    const chunks = db.collection<{ _id: { instance: string | Binary; n: number } }>('log_chunks')
    const first = await chunks.findOneAndDelete({ '_id.instance': storedIds([headless]) })
    if (first === null) throw new Error('no chunk')
    await chunks.insertOne({ ...first, _id: { ...first._id, n: 5 } })
    await chunks.deleteMany({ '_id.instance': storedIds([empty]) })
    expect((await getInstance(api, headless)).log).toMatchObject({ state: 'interrupted', gaps: [{ from: 0, to: 5 }] })
    await api.patch(`/api/namespaces/${namespace}`, { revision: 1, retention: keep(null, 30) })
    for (const id of [empty, headless]) {
      await untilExpired(id)
      expect((await getInstance(api, id)).log).toMatchObject({ lines: 0, bytes: 0 })
    }
    await until('its chunks are gone', async () => (await countStored(db, [headless]))['chunks'] === 0)
  })

  test('a run that is retried after retention has come by keeps its new log, while the old one stays removed', async () => {
    const namespace = await newNamespace(keep(null, 30))
    // Of the namespace of the worker by its route, so that it can run again.
    const [id = ''] = await copyAsOld(db, failed, 1, { namespace, madeAgo: 31 })
    await untilExpired(id)
    await api.post(`/api/instances/${id}/retry`)
    const again = await waitForEnd(api, id)
    expect(again).toMatchObject({ status: 'FAILED', attempt: 2 })
    const { log, attempts } = await waitForSealed(api, id)
    expect(log).toMatchObject({ state: 'sealed', lines: LINES })
    expect(attempts.map((each) => each.log.state)).toEqual(['expired', 'sealed'])
    expect(await logPage(api, id, 'attempt=1')).toMatchObject({ state: 'expired', total: LINES, lines: [] })
    expect((await logPage(api, id)).lines.map(({ text }) => text)).toEqual(['one', 'two', 'three'])
    // Once the new end is old enough too, it goes, though the walk was there long ago.
    await db.collection<{ _id: string }>('instances').updateOne({ _id: id }, { $set: { finishedAt: new Date(0) } })
    await db.collection<{ _id: string }>('retention_revisits').updateOne({ _id: id }, { $set: { at: new Date(0) } })
    await untilExpired(id)
  })

  test('a worker that comes back with lines of a log that expired, or of a run that is gone, may forget them', async () => {
    const worker = new ProtocolWorker(await cluster().createWorkerToken(), uniqueName('late'))
    await worker.connect(cluster().url)
    const namespace = await newNamespace(keep(null, 30))
    const more = { namespace, madeAgo: 40, changeAttempt: { workerId: worker.workerId }, changeStream: { state: 'interrupted', totals: undefined } }
    const [instanceId = ''] = await copyAsOld(db, succeeded, 1, more)
    const key = { instanceId, task: 0, attempt: 1 }
    const builder = new ChunkBuilder(key)
    for (const text of ['one', 'two', 'three', 'four']) builder.add(Buffer.from(text), 0, Date.now())
    const chunk = builder.close()
    if (chunk === undefined) throw new Error('no chunk')
    const { header } = chunk
    const totals = { chunks: 1, lines: header.count, bytes: header.bytes, digest: header.digest }
    await untilExpired(instanceId)
    expect(await worker.resume(key)).toMatchObject({ state: 'sealed' })
    expect(await worker.log([chunk])).toEqual(['dup'])
    expect(await worker.seal(key, totals)).toMatchObject({ state: 'sealed' })
    expect((await getInstance(api, instanceId)).log).toMatchObject({ state: 'expired', lines: LINES })
    expect((await countStored(db, [instanceId]))['chunks']).toBe(0)
    await api.patch(`/api/namespaces/${namespace}`, { revision: 2, retention: keep(30) })
    await untilGone([instanceId])
    await worker.connect(cluster().url)
    expect(await worker.resume(key)).toMatchObject({ state: 'unknown' })
    worker.disconnect()
  })
})

describe('the history of changes', () => {
  /** Copies of a record, as old as that. */
  async function addAudit(namespace: string | null, daysAgo: number, count = 1): Promise<string[]> {
    const records = db.collection<{ _id: string }>('audit_log')
    const record = await records.findOne()
    if (record === null) throw new Error('no audit record')
    const at = new Date(Date.now() - daysAgo * DAY_MS)
    const copies = Array.from({ length: count }, () => ({ ...record, _id: crypto.randomUUID(), namespace, at }))
    await records.insertMany(copies)
    return copies.map(({ _id }) => _id)
  }
  const countAudit = (ids: string[]): Promise<number> => db.collection<{ _id: string }>('audit_log').countDocuments({ _id: { $in: ids } })

  test('audit records go after as many days as their namespace says, or the servers where there is none; by default they stay', async () => {
    const [other, namespace, removed] = [await newNamespace(), await newNamespace(), uniqueName('removed')]
    const kept = [
      ...(await addAudit(other, 3_000, 3)),
      ...(await addAudit(namespace, 89, 3)),
      ...(await addAudit(null, 199)),
      ...(await addAudit(removed, 199)),
    ]
    const old = [...(await addAudit(namespace, 91, 1_200)), ...(await addAudit(null, 201)), ...(await addAudit(removed, 201))]
    expect(await api.patch(`/api/namespaces/${namespace}`, { revision: 1, retention: keep(null, null, 90) }, NamespaceView)).toMatchObject({ revision: 2 })
    await until('the old records are gone', async () => (await countAudit(old)) === 0)
    expect(await countAudit(kept)).toBe(kept.length)
    const [record] = (await api.get(`/api/audit?namespace=${namespace}&action=namespace.change`, AuditPage)).items
    expect(record?.details).toMatchObject({ retention: { from: keep(null), to: keep(null, null, 90) } })
  })

  const LATEST = 301
  /** A job that was changed once a day, long ago. */
  async function jobWithRevisions(namespace: string, latest = LATEST): Promise<string> {
    const { id } = await api.post('/api/jobs', shellJob('true', { namespace }), JobView)
    type Stored = { _id: { job: string; revision: number } }
    const revisions = db.collection<Stored>('job_revisions')
    const [first] = await revisions.find({ '_id.job': id }).toArray()
    if (first === undefined) throw new Error('no revision')
    await revisions.deleteOne({ _id: first._id })
    await revisions.insertMany(
      Array.from({ length: latest }, (_, i) => ({
        ...first,
        _id: { job: id, revision: i + 1 },
        changedAt: new Date(Date.now() - madeDaysAgo(i + 1) * DAY_MS),
      })),
    )
    await db.collection<{ _id: string }>('jobs').updateOne({ _id: id }, { $set: { revision: latest } })
    return id
  }
  const madeDaysAgo = (revision: number): number => 400.5 - revision
  const storedRevisions = async (id: string): Promise<number[]> => {
    const found = await db.collection<{ _id: { job: string; revision: number } }>('job_revisions').find({ '_id.job': id }).sort({ _id: 1 }).toArray()
    return found.map(({ _id }) => _id.revision)
  }
  const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)
  const untilStored = (id: string, revisions: number[]): Promise<true> =>
    until('the old revisions are gone', async () => {
      // Not in an hour, nor in three seconds.
      await db.collection<{ _id: string }>('retention_progress').updateOne({ _id: '*', 'revisions.after': null }, { $set: { 'revisions.nextAt': new Date(0) } })
      return JSON.stringify(await storedRevisions(id)) === JSON.stringify(revisions)
    })

  test('revisions go that are old, beyond the newest, and of no stored run; by default they stay', async () => {
    const [other, namespace] = [await newNamespace(), await newNamespace()]
    // In this order, which is that of the walk: when the last one was reached, all were.
    const untouched = await jobWithRevisions(other)
    const id = await jobWithRevisions(namespace)
    const run = (revision: number, madeAgo: number): Promise<string[]> => copyAsOld(db, succeeded, 1, { namespace, madeAgo, change: { jobId: id, revision } })
    await run(7, madeDaysAgo(7) - 0.5)
    // By a server that had read the job a while ago.
    await run(20, madeDaysAgo(21) - 0.03)
    await run(250, madeDaysAgo(250))
    await api.patch(`/api/namespaces/${namespace}`, { revision: 1, retention: keep(null, null, 250) })
    await untilStored(id, [7, 20, ...range(150, LATEST)])
    await api.patch(`/api/namespaces/${namespace}`, { revision: 2, retention: keep(null, null, 1) })
    await untilStored(id, [7, 20, ...range(LATEST - KEPT_REVISIONS + 1, LATEST)])
    expect(await storedRevisions(untouched)).toEqual(range(1, LATEST))
    expect(await api.get(`/api/jobs/${id}/revisions/7`, JobRevisionView)).toMatchObject({ revision: 7 })
    await expect(api.get(`/api/jobs/${id}/revisions/8`)).rejects.toMatchObject({ status: 404 })
    // With the runs, by a retention of their own, what they were made from goes too.
    await api.patch(`/api/namespaces/${namespace}`, { revision: 3, retention: keep(300, null, 1) })
    await untilStored(id, range(LATEST - KEPT_REVISIONS + 1, LATEST))
  })

  test('revisions of a removed job go with its last run', async () => {
    const namespace = await newNamespace()
    const [withRun, removed] = [await jobWithRevisions(namespace, 4), await jobWithRevisions(namespace, 4)]
    await copyAsOld(db, succeeded, 1, { namespace, madeAgo: 20, change: { jobId: withRun, revision: 3 } })
    for (const id of [withRun, removed]) await api.delete(`/api/jobs/${id}`)
    // The note that late runs of it may come is kept for a minute.
    await db.collection<{ _id: string }>('removed_jobs').deleteMany({ _id: { $in: [withRun, removed] } })
    await untilStored(removed, [])
    expect(await storedRevisions(withRun)).toEqual(range(1, 4))
    await api.patch(`/api/namespaces/${namespace}`, { revision: 1, retention: keep(10) })
    await untilStored(withRun, [])
  })
})

describe('the sweep', () => {
  test('removes by ranges of IDs, whatever else is stored, also when all servers do it at once', async () => {
    const namespace = await newNamespace()
    const bystanders = await copyAsOld(db, succeeded, 1_500, { namespace: await newNamespace(), madeAgo: 50 })
    const old = await copyAsOld(db, failed, 1_500, { namespace, madeAgo: 40 })
    const removedBefore = await totalOf('jobtrail_retention_runs_removed_total')
    await db.createCollection('system.profile', { capped: true, size: 64 * 1024 * 1024 })
    await db.command({ profile: 1, slowms: 0, filter: { appName: { $in: ['server-0', 'server-1'] } } })
    await api.patch(`/api/namespaces/${namespace}`, { revision: 1, retention: keep(30, 20) })
    await waitFor(
      async () => {
        // Nobody holds the lock for long: both go over the same runs at the same time.
        await redis.del(lockKey())
        return (await countStored(db, old))['instances'] === 0 || undefined
      },
      { timeoutMs: 100_000, what: 'the old runs are gone', intervalMs: 20 },
    )
    await db.command({ profile: 0 })
    expect(await countStored(db, old)).toEqual(NOTHING)
    expect(await countStored(db, bystanders)).toEqual({ instances: 1_500, attempts: 1_500, streams: 1_500, chunks: 1_500 })
    expect(await totalOf('jobtrail_retention_runs_removed_total')).toBeGreaterThanOrEqual(removedBefore + old.length)
    const profile = await db
      .collection('system.profile')
      .find({ ns: /\.(instances|attempts|log_streams|log_chunks)$/, docsExamined: { $gt: 1_000 } })
      .toArray()
    expect(profile.map(({ ns, command, planSummary, docsExamined }) => ({ ns, command, planSummary, docsExamined }))).toEqual([])
    const walks = await db.collection('system.profile').find({ 'command.filter.namespace': namespace, 'command.find': 'instances' }).toArray()
    expect(walks.length).toBeGreaterThan(0)
    for (const walk of walks) expect(walk).toMatchObject({ planSummary: expect.stringMatching(/^IXSCAN/), docsExamined: walk['nreturned'] })
  })

  test('is taken over when its server is killed in the middle, and nothing is half shown meanwhile', async () => {
    const namespace = await newNamespace()
    const old = await copyAsOld(db, failed, 3_000, { namespace, madeAgo: 40 })
    await api.patch(`/api/namespaces/${namespace}`, { revision: 1, retention: keep(30) })
    const left = await waitFor(
      async () => {
        const { instances = 0 } = await countStored(db, old)
        return instances < old.length ? instances : undefined
      },
      { timeoutMs: 60_000, what: 'removing has begun', intervalMs: 5 },
    )
    expect(left).toBeGreaterThan(0)
    const holder = String(await redis.get(lockKey())).split(' ')[0]
    const victim = cluster().servers.find(({ name }) => name === holder)
    if (victim === undefined) throw new Error(`nobody holds the lock: ${holder}`)
    await victim.kill()
    const survivor = cluster().servers.find((server) => server !== victim)
    const reader = await cluster().api(survivor?.url)
    // Every tenth of those that are left: a run with its attempt, and a log that is whole or says that it is removed.
    const still = await db
      .collection<{ _id: string }>('instances')
      .find({ namespace }, { projection: { _id: 1 } })
      .toArray()
    for (const { _id } of still.filter((_, i) => i % 10 === 0)) {
      const shown = await reader.get<{ attempts: unknown[] }>(`/api/instances/${_id}`).catch(ifGone)
      if (shown === undefined) continue
      expect(shown.attempts).toHaveLength(1)
      const page = await logPage(reader, _id).catch(ifGone)
      if (page !== undefined)
        expect([page.state, page.lines.length, page.total]).toEqual(page.state === 'expired' ? ['expired', 0, LINES] : ['sealed', LINES, LINES])
    }
    await untilGone(old)
    expect(await countStored(db, old)).toEqual(NOTHING)
    await victim.start()
  })
})

const ifGone = (error: unknown): undefined => {
  if (typeof error === 'object' && error !== null && 'status' in error && error.status === 404) return undefined
  throw error
}

/** Over all servers. */
async function totalOf(metric: string): Promise<number> {
  const values = await Promise.all(cluster().servers.map(({ url }) => readMetric(url, metric)))
  return values.reduce((sum, value) => sum + value, 0)
}
