import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { waitFor } from '@jobtrail/deploy/wait'
import { WorkerPage, type WorkerView } from '@jobtrail/api/cluster'
import { JobView, RunsCreated } from '@jobtrail/api/jobs'
import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { ChunkBuilder } from '@jobtrail/protocol/log/chunk-builder'
import type { Assignment } from '@jobtrail/protocol/wire/assignment'
import type { Hello } from '@jobtrail/protocol/wire/worker'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createAndRun, createJob, getInstance, handlerJob, runJob, shellJob, uniqueName, waitForEnd, waitForInstance } from '../support/factories.js'
import { Gate } from '../support/gate.js'
import type { WorkerNode } from '../support/nodes.js'
import { ProtocolWorker } from '../support/protocol-worker.js'
import { whileRefused } from '../support/while-refused.js'

const HANDLERS = ['--handlers', fileURLToPath(new URL('../support/handlers.mjs', import.meta.url))]
const SLOTS = 50
// Each worker is connected to the server that a test wants, so that what one of them does could hold up the others.
const cluster = useCluster({ servers: 2, workers: 0, balancer: 'none', slots: SLOTS })

/** What a server may be wrong by about the time. */
const CLOCKS_DIFFER_MS = 250

type StoredInstance = { _id: string; status: string; attempt: number; queued: boolean; dueAt: Date; finishedAt: Date | null; route: string }

/** Adds a worker of a group to a server, and waits until it is connected. */
async function addWorker(group: string, server: number, slots = SLOTS): Promise<WorkerNode> {
  const worker = await cluster().addWorker({ slots, args: [...HANDLERS, '--group', group], server: cluster().server(server).url })
  await waitFor(async () => (await workersOf(group)).some(({ name, state }) => name === worker.name && state === 'connected'), {
    timeoutMs: 60_000,
    what: `${worker.name} to be connected`,
    intervalMs: 200,
  })
  return worker
}

async function workersOf(group: string): Promise<WorkerView[]> {
  return (await (await cluster().api()).get('/api/workers', WorkerPage)).items.filter((worker) => worker.group === group)
}

async function instances() {
  return (await cluster().database()).collection<StoredInstance>('instances')
}

async function runMany(jobId: string, count: number): Promise<string[]> {
  const api = await cluster().api()
  return (await api.post(`/api/jobs/${jobId}/runs/bulk`, { runs: Array.from({ length: count }, () => ({})) }, RunsCreated)).instanceIds
}

async function waitForStatus(ids: string[], status: string): Promise<void> {
  const collection = await instances()
  await waitFor(async () => (await collection.countDocuments({ _id: { $in: ids }, status })) === ids.length, {
    timeoutMs: 60_000,
    what: `${ids.length} runs to be ${status}`,
    intervalMs: 200,
  })
}

/** In the order in which MongoDB stored them. */
async function startedInstances(ids: string[]): Promise<string[]> {
  const attempts = (await cluster().database()).collection<{ _id: { instance: string } }>('attempts')
  const found = await attempts
    .find({ '_id.instance': { $in: ids } })
    .sort({ $natural: 1 })
    .toArray()
  return found.map(({ _id }) => _id.instance)
}

describe('the queue', () => {
  let redis: Redis
  beforeAll(() => {
    redis = new Redis(cluster().redisUrl)
  })
  afterAll(() => {
    redis.disconnect()
  })

  /** The IDs of the BullMQ jobs of a route. */
  async function queued(route: string): Promise<string[]> {
    const key = (name: string): string => `${cluster().keyPrefix}:{${route}}:${name}`
    const [waiting, delayed, active, plain] = await Promise.all([
      redis.zrange(key('prioritized'), '0', '-1'),
      redis.zrange(key('delayed'), '0', '-1'),
      redis.lrange(key('active'), 0, -1),
      redis.lrange(key('wait'), 0, -1),
    ])
    return [...waiting, ...delayed, ...active, ...plain]
  }

  test('gets from the sweep only what is in no BullMQ job, and is empty when all has run', async () => {
    const api = await cluster().api()
    const collection = await instances()
    const job = await createJob(api, handlerJob('noop', { routing: { group: 'workers' } }))
    const ids = await runMany(job.id, 1_000)
    const single = await runJob(api, job.id)
    const lost = await runJob(api, job.id)
    const { route } = (await collection.findOne({ _id: lost })) ?? expect.fail('the run is not stored')
    const before = await queued(route)
    expect(before.length).toBeLessThan(200)
    const bullJob = attemptKeyString({ instanceId: lost, task: 0, attempt: 1 })
    await redis.del(`${cluster().keyPrefix}:{${route}}:${bullJob}`)
    await redis.zrem(`${cluster().keyPrefix}:{${route}}:prioritized`, bullJob)
    expect(await queued(route)).toHaveLength(before.length - 1)
    // All of them look as if they had waited for long. The lost one is last in the walk of the sweep.
    await collection.updateMany({ _id: { $in: [...ids, single, lost] } }, { $set: { dueAt: new Date(Date.now() - 60_000) } })
    await waitFor(async () => (await queued(route)).includes(bullJob), { timeoutMs: 60_000, what: 'the lost run to be queued again' })
    expect((await queued(route)).toSorted()).toEqual(before.toSorted())

    await addWorker('workers', 0)
    await waitForStatus([...ids, single, lost], 'SUCCEEDED')
    await waitFor(async () => (await queued(route)).length === 0, { timeoutMs: 60_000, what: 'nothing to be left in the queue' })
  })

  test('does not keep a new run behind a thousand cancelled ones', async () => {
    const api = await cluster().api()
    const [worker] = await workersOf('workers')
    await api.post(`/api/workers/${worker?.id}/drain`)
    const job = await createJob(api, handlerJob('noop', { routing: { group: 'workers' } }))
    const ids = await runMany(job.id, 1_000)
    const collection = await instances()
    const { route } = (await collection.findOne({ _id: ids[0] ?? '' })) ?? expect.fail('the run is not stored')
    // One job each, as after a time without Redis.
    await redis.del(...(await redis.keys(`${cluster().keyPrefix}:{${route}}:*`)))
    await collection.updateMany({ _id: { $in: ids } }, { $set: { dueAt: new Date(Date.now() - 60_000) } })
    await waitFor(async () => (await queued(route)).length === ids.length, { timeoutMs: 60_000, what: 'all to be queued again', intervalMs: 100 })
    await collection.updateMany({ _id: { $in: ids } }, { $set: { status: 'CANCELLED', finishedAt: new Date() } })
    const last = await runJob(api, job.id)
    await api.post(`/api/workers/${worker?.id}/undrain`)
    await waitForEnd(api, last)
    await waitFor(async () => (await queued(route)).length === 0, { timeoutMs: 60_000, what: 'nothing to be left in the queue' })
    await waitFor(() => cluster().server(0).logs().includes('Removed stale BullMQ jobs'), { timeoutMs: 60_000, what: 'the server to say that it removed them' })
  })
})

describe('runs of a job with maxConcurrent', () => {
  beforeAll(async () => {
    await addWorker('workers', 1)
  })

  test.each([1, 3])('%d at a time start in the order of priority and creation, whichever servers and workers take them', async (maxConcurrent) => {
    const api = await cluster().api()
    const gate = new Gate(join(cluster().dir, `gate-order-${maxConcurrent}`))
    const processor = { kind: 'shell' as const, script: `${gate.shell(1)}; true` }
    let job = await createJob(api, shellJob('', { processor, maxConcurrent, routing: { group: 'workers' } }))
    const blockers = await Promise.all(Array.from({ length: maxConcurrent }, () => runJob(api, job.id)))
    await waitForStatus(blockers, 'RUNNING')
    // Priorities change with revisions of the job. Some come one by one, through both servers.
    const waiting: { id: string; priority: number }[] = []
    for (const priority of [0, 5, -5, 0]) {
      job = await api.patch(`/api/jobs/${job.id}`, { revision: job.revision, priority }, JobView)
      const ids = await Promise.all(Array.from({ length: 5 }, (_, i) => runJob(api.at(cluster().server(i % 2).url), job.id)))
      waiting.push(...ids.map((id) => ({ id, priority })))
    }
    gate.openAll()
    const expected = waiting.toSorted((a, b) => b.priority - a.priority || (a.id < b.id ? -1 : 1)).map(({ id }) => id)
    await waitForStatus(expected, 'SUCCEEDED')
    expect(await startedInstances(expected)).toEqual(expected)
  })

  test('may start while another one waits for its retry, and a cancelled retry keeps no permit', async () => {
    const api = await cluster().api()
    const permits = (await cluster().database()).collection('permits')
    const job = await createJob(
      api,
      shellJob('[ "$JOBTRAIL_PARAM_FAILS" != yes ]', { maxConcurrent: 1, routing: { group: 'workers' }, retry: { maxRetries: 1, backoffMs: 3_600_000 } }),
    )
    const failing = await runJob(api, job.id, { params: { fails: 'yes' } })
    await waitForInstance(api, failing, 'waits for its retry', ({ status, attempt }) => status === 'WAITING' && attempt === 1)
    const second = await runJob(api, job.id)
    expect(await waitForEnd(api, second)).toMatchObject({ status: 'SUCCEEDED' })
    expect(await getInstance(api, failing)).toMatchObject({ status: 'WAITING', attempt: 1 })
    await waitFor(async () => (await permits.countDocuments({ '_id.job': job.id })) === 0, { timeoutMs: 60_000, what: 'no permit to be taken' })
    await api.post(`/api/instances/${failing}/cancel`)
    expect(await waitForEnd(api, await runJob(api, job.id))).toMatchObject({ status: 'SUCCEEDED' })
  })
})

describe('a worker that does not answer', () => {
  test('holds up no run of another group, on the same server', async () => {
    const api = await cluster().api()
    const frozen = await addWorker('frozen', 0)
    // So that the runs of the other group have to go through the same server.
    const elsewhere = (await workersOf('workers')).find(({ serverId }) => serverId === cluster().server(1).name)
    await api.post(`/api/workers/${elsewhere?.id}/drain`)
    const [slow, quick] = await Promise.all(['frozen', 'workers'].map((group) => createJob(api, handlerJob('noop', { routing: { group } }))))
    if (slow === undefined || quick === undefined) throw new Error('two jobs are wanted')
    const attempts = (await cluster().database()).collection<{ dispatchedAt: Date }>('attempts')
    frozen.freeze()
    try {
      const stuck = [await runJob(api, slow.id)]
      await waitFor(async () => (await attempts.countDocuments({ '_id.instance': { $in: stuck } })) === 1, {
        timeoutMs: 60_000,
        what: 'an attempt to be sent to the frozen worker',
        intervalMs: 20,
      })
      // Two messages were all that was under way at a time when workers shared a lane.
      stuck.push(await runJob(api, slow.id))
      const ids = await runMany(quick.id, 50)
      await waitForStatus(ids, 'SUCCEEDED')
      const timeouts = [
        ...cluster()
          .server(0)
          .logs()
          .matchAll(/"time":"([^"]+)".*did not answer to a dispatch/g),
      ].map(([, time = '']) => Date.parse(time))
      const [last] = await attempts
        .find({ '_id.instance': { $in: ids } })
        .sort({ dispatchedAt: -1 })
        .limit(1)
        .toArray()
      expect(last?.dispatchedAt.getTime()).toBeLessThan(Math.min(...timeouts, Number.MAX_SAFE_INTEGER))
      expect(await (await instances()).countDocuments({ _id: { $in: stuck }, status: 'SUCCEEDED' })).toBe(0)
      frozen.thaw()
      await waitForStatus(stuck, 'SUCCEEDED')
    } finally {
      frozen.thaw()
      await api.post(`/api/workers/${elsewhere?.id}/undrain`)
    }
  })
})

describe('after an outage', () => {
  test('a run that is due now starts before all that was missed', async () => {
    const api = await cluster().api()
    const [worker] = await workersOf('frozen')
    await api.post(`/api/workers/${worker?.id}/drain`)
    const routing = { group: 'frozen' }
    const trigger = { kind: 'interval' as const, everyMs: 3_600_000 }
    const missed = await Promise.all(Array.from({ length: 2 * SLOTS }, () => createJob(api, handlerJob('noop', { trigger, routing }))))
    const ids = missed.map(({ id }) => id)
    const database = await cluster().database()
    const missedAt = Date.now() - 25 * 60_000
    await database
      .collection<{ _id: string }>('jobs')
      .updateMany({ _id: { $in: ids } }, { $set: { nextFireAt: new Date(missedAt), fireAnchor: new Date(missedAt - trigger.everyMs) } })
    const stored = database.collection<{ _id: string; jobId: string; queued: boolean }>('instances')
    await waitFor(async () => (await stored.countDocuments({ jobId: { $in: ids } })) === ids.length, {
      timeoutMs: 60_000,
      what: 'what was missed to be stored',
    })
    const now = await runJob(api, (await createJob(api, handlerJob('noop', { routing }))).id)
    await waitFor(async () => (await stored.countDocuments({ _id: now, queued: true })) === 1, { timeoutMs: 30_000, what: 'the run to be queued' })
    await api.post(`/api/workers/${worker?.id}/undrain`)
    await waitForEnd(api, now)
    const runs = (await stored.find({ jobId: { $in: ids } }).toArray()).map(({ _id }) => _id)
    await waitForStatus(runs, 'SUCCEEDED')
    // Two servers fill the slots at the same time: it is among the first, but which one's attempt is written first is open.
    expect((await startedInstances([...runs, now])).indexOf(now)).toBeLessThan(SLOTS)
  })
})

describe('what piles up on one route', () => {
  test('holds up no run of another one that the same worker serves', async () => {
    const group = uniqueName('shared')
    const api = await cluster().api()
    const worker = await addWorker(group, 0, 1)
    const [piled, other] = [
      await createJob(api, shellJob('sleep 0.05', { routing: { group } })),
      await createJob(api, handlerJob('noop', { routing: { group } })),
    ]
    const pile = await runMany(piled.id, 40)
    await waitFor(async () => (await startedInstances(pile)).length > 2, { timeoutMs: 60_000, what: 'the pile to be worked off' })
    const late = await runJob(api, other.id)
    await waitForStatus([...pile, late], 'SUCCEEDED')
    expect((await startedInstances([...pile, late])).indexOf(late)).toBeLessThan(30)
    await worker.stop()
  })
})

describe('the sweep', () => {
  test('settles a run whose attempt has ended, as a server leaves it that dies in between, and runs one whose attempt was never made', async () => {
    const group = uniqueName('left')
    const { id } = await createJob(await cluster().api(), handlerJob('noop', { routing: { group } }))
    const [ended = '', unmade = ''] = await runMany(id, 2)
    const collection = await instances()
    await collection.updateOne({ _id: unmade, status: 'WAITING' }, { $set: { status: 'RUNNING', attempt: 1 } })
    const worker = await addWorker(group, 0)
    await waitForStatus([ended], 'SUCCEEDED')
    await collection.updateOne({ _id: ended }, { $set: { status: 'RUNNING', finishedAt: null } })
    await waitForStatus([ended, unmade], 'SUCCEEDED')
    // The first was not run again: it has the one attempt that it had.
    expect(await startedInstances([ended, unmade])).toEqual([ended, unmade])
    expect(await collection.find({ _id: { $in: [ended, unmade] } }).toArray()).toMatchObject([{ attempt: 1 }, { attempt: 1 }])
    await worker.stop()
  })

  test('looks for what comes due without reading what was cancelled before its time', async () => {
    const api = await cluster().api()
    const job = await createJob(api, handlerJob('noop', { routing: { group: uniqueName('nobody') } }))
    const delayed = Array.from({ length: 500 }, () => ({ delayMs: 3_600_000 }))
    const { instanceIds } = await api.post(`/api/jobs/${job.id}/runs/bulk`, { runs: delayed }, RunsCreated)
    // Their times come before all others.
    const cancelled = { status: 'CANCELLED', finishedAt: new Date(), dueAt: new Date(Date.now() - 3_600_000) }
    const { modifiedCount } = await (await instances()).updateMany({ _id: { $in: instanceIds }, status: 'WAITING', queued: false }, { $set: cancelled })
    expect(modifiedCount).toBe(delayed.length)
    const database = await cluster().database()
    const profile = database.collection<{ keysExamined: number; docsExamined: number }>('system.profile')
    await database.setProfilingLevel('all')
    try {
      const looks = await waitFor(
        async () => {
          const found = await profile
            .find({ ns: `${database.databaseName}.instances`, 'command.filter.queued': false, 'command.filter.status': 'WAITING' })
            .toArray()
          return found.length > 0 ? found : undefined
        },
        { timeoutMs: 60_000, what: 'a look of the sweep', intervalMs: 100 },
      )
      for (const { keysExamined, docsExamined } of looks) expect([keysExamined, docsExamined]).toEqual([0, 0])
    } finally {
      await database.setProfilingLevel('off')
    }
  })
})

describe('a run whose claim MongoDB refuses', () => {
  test.each([0, 5])('costs those beside it no attempt, and runs when it can be claimed (maxConcurrent %i)', async (maxConcurrent) => {
    const group = uniqueName('refused')
    const { id } = await createJob(await cluster().api(), handlerJob('noop', { maxConcurrent, routing: { group } }))
    const ids = await runMany(id, 60)
    const [bad = ''] = ids
    const others = ids.slice(1)
    const database = await cluster().database()
    await whileRefused(database, 'instances', { $nor: [{ _id: bad, status: 'RUNNING' }] }, async () => {
      await addWorker(group, 0)
      await waitForStatus(others, 'SUCCEEDED')
    })
    await waitForStatus([bad], 'SUCCEEDED')
    const collection = await instances()
    expect(await collection.countDocuments({ _id: { $in: ids }, attempt: 1 })).toBe(60)
  })
})

describe('a worker made by hand', () => {
  async function protocolWorker(): Promise<ProtocolWorker> {
    return new ProtocolWorker(await cluster().createWorkerToken(), uniqueName('by-hand'), 2)
  }

  /** An attempt of a job that is not to be retried. */
  async function attemptOf(worker: ProtocolWorker): Promise<Assignment> {
    const { instanceId } = await createAndRun(await cluster().api(), shellJob('true', { routing: { tags: [worker.tag] }, retry: { maxRetries: 0 } }))
    return worker.assignment(instanceId, 1)
  }

  const url = (): string => cluster().server(0).url
  const keyOf = ({ instanceId, task, attempt }: AttemptKey): AttemptKey => ({ instanceId, task, attempt })
  const signs: [string, (worker: ProtocolWorker, key: AttemptKey) => Promise<Pick<Hello, 'spooled'>>][] = [
    [
      'output that is stored',
      async (worker, key) => {
        const builder = new ChunkBuilder(key)
        builder.add(Buffer.from('a sign of life'), 0, Date.now())
        const chunk = builder.close() ?? expect.fail('no chunk')
        expect(await worker.log([chunk])).toEqual(['ok'])
        return {}
      },
    ],
    ['progress', (worker, key) => worker.progress(key, 10).then(() => ({}))],
    ['output in its spool', async (_worker, key) => ({ spooled: [keyOf(key)] })],
  ]

  test.each(signs)('that lost an attempt which never said `started` is not given it again without a retry, when %s shows that it ran', async (_name, show) => {
    const worker = await protocolWorker()
    await worker.connect(url())
    const key = await attemptOf(worker)
    await worker.connect(url(), [], await show(worker, key))
    const ended = await waitForEnd(await cluster().api(), key.instanceId)
    expect(ended).toMatchObject({ status: 'FAILED', attempt: 1, attempts: [{ status: 'LOST', startedAt: expect.any(String) }] })
    expect(worker.given).toHaveLength(1)
    worker.disconnect()
  })

  const WORKER_LOST = /^The worker by-hand-.*; the attempt may have started$/
  /** Changes what is stored of an attempt. */
  async function alter({ instanceId }: AttemptKey, times: { leaseExpiresAt?: Date; dispatchedAt?: Date }): Promise<void> {
    const attempts = (await cluster().database()).collection('attempts')
    expect((await attempts.updateOne({ '_id.instance': instanceId }, { $set: times })).matchedCount).toBe(1)
  }
  const longAgo = (): Date => new Date(Date.now() - 20_000)
  const unknown: [string, string | RegExp, (worker: ProtocolWorker, key: AttemptKey) => Promise<unknown>][] = [
    [
      'its lease runs out',
      WORKER_LOST,
      async (worker, key) => {
        worker.disconnect()
        await alter(key, { leaseExpiresAt: longAgo() })
      },
    ],
    [
      'another process of the worker says hello',
      WORKER_LOST,
      async (worker) => {
        worker.restart()
        const workers = (await cluster().database()).collection<{ _id: string; serverId: string | null }>('workers')
        const hasLeft = async (): Promise<boolean> => (await workers.findOne({ _id: worker.workerId }))?.serverId === null
        await waitFor(hasLeft, { timeoutMs: 60_000, what: 'the former process to be gone' })
        await worker.connect(url())
      },
    ],
    ['its process says hello and has given it up', WORKER_LOST, (worker, key) => worker.connect(url(), [], { givenUp: [keyOf(key)] })],
    ['a heartbeat of its process says that it has given it up', WORKER_LOST, (worker, key) => worker.heartbeat([], { givenUp: [keyOf(key)] })],
    [
      'a heartbeat does not list it that comes by the connection by which it was sent',
      'The worker does not know it; the attempt may have started',
      async (worker, key) => {
        await alter(key, { dispatchedAt: longAgo() })
        await worker.heartbeat([])
      },
    ],
  ]

  test.each(unknown)('is not given an attempt again that may have started: %s', async (_name, error, lose) => {
    const worker = await protocolWorker()
    await worker.connect(url())
    const key = await attemptOf(worker)
    await lose(worker, key)
    const ended = await waitForEnd(await cluster().api(), key.instanceId)
    expect(ended).toMatchObject({ status: 'FAILED', attempt: 1, attempts: [{ status: 'LOST', startedAt: null }] })
    expect(ended.error).toMatch(error)
    expect(worker.given).toHaveLength(1)
    worker.disconnect()
  })

  const unreceived: [string, (worker: ProtocolWorker, key: AttemptKey) => Promise<unknown>][] = [
    ['its process says hello without it', (worker) => worker.connect(url())],
    [
      'its process does not list it in a heartbeat, by another connection than that by which it was sent',
      async (worker, key) => {
        await worker.connect(url(), [key])
        await alter(key, { dispatchedAt: longAgo() })
        await worker.heartbeat([])
      },
    ],
  ]

  test.each(unreceived)('is given an attempt again for free that it never received: %s', async (_name, lose) => {
    const worker = await protocolWorker()
    await worker.connect(url())
    const key = await attemptOf(worker)
    await lose(worker, key)
    await worker.assignment(key.instanceId, 2)
    worker.disconnect()
  })

  const MINUTES = 60_000
  test.each([
    ['5 minutes fast', 5 * MINUTES, true],
    ['5 minutes slow', -5 * MINUTES, true],
    ['5 minutes fast, which it does not say', 5 * MINUTES, false],
    ['5 minutes slow, which it does not say', -5 * MINUTES, false],
  ])('whose clock is %s has its times corrected, in order and as far apart as it measured', async (_name, wrong, isSaid) => {
    const api = await cluster().api()
    const now = (): number => Date.now() + wrong
    const worker = await protocolWorker()
    await worker.connect(url(), [], isSaid ? { sentAt: now() } : {})
    const key = await attemptOf(worker)
    const startedAt = now()
    await worker.started(key, startedAt)
    const finishedAt = now()
    await worker.finished(key, new ChunkBuilder(key).closedTotals, { startedAt, finishedAt })
    const { attempts, ...instance } = await waitForEnd(api, key.instanceId)
    const times = attempts.map((attempt) => [attempt.dispatchedAt, attempt.startedAt, attempt.finishedAt].map((time) => Date.parse(time ?? '')))[0] ?? []
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect((times[2] ?? 0) - (times[1] ?? 0)).toBe(finishedAt - startedAt)
    expect(times[2]).toBeLessThan(Date.now() + CLOCKS_DIFFER_MS)
    expect(Date.parse(instance.startedAt ?? '')).toBeLessThanOrEqual(Date.parse(instance.finishedAt ?? ''))
    worker.disconnect()
  })
})
