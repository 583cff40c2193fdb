import { once } from 'node:events'
import { connect } from 'node:net'
import { ApiClient, ApiError } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { JobPage } from '@jobtrail/api/jobs'
import { LogSearchPage } from '@jobtrail/api/logs'
import { CONSOLE_NAMESPACE } from '@jobtrail/api/console'
import { io } from 'socket.io-client'
import { beforeAll, describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import {
  commandJob,
  createAndRun,
  createJob,
  getInstance,
  runJob,
  shellJob,
  uniqueName,
  waitForEnd,
  waitForInstance,
  waitForSealed,
} from '../support/factories.js'
import { withReadFault } from '../support/fail-point.js'
import { readMetric } from '../support/metrics.js'

const cluster = useCluster({ servers: 2, workers: 1, serverEnv: { JOBTRAIL_LEASE_MS: '15000' } })

let api: ApiClient
let silent: Promise<unknown>
beforeAll(async () => {
  api = await cluster().api()
  silent = once(connect(cluster().server(0).port, '127.0.0.1'), 'close')
})

/** Somebody who may look at everything in the namespace, at each of the servers. */
async function viewers(): Promise<[ApiClient, ApiClient]> {
  const { token } = await api.post<{ token: string }>('/api/api-tokens', { namespace: 'default', name: uniqueName('viewer'), role: 'viewer' })
  return [new ApiClient(cluster().server(0).url, token), new ApiClient(cluster().server(1).url, token)]
}

/** A run that goes on, and must never know of what others look at. */
async function startBystander(): Promise<string> {
  const { instanceId } = await createAndRun(api, shellJob('echo begun; sleep 600'))
  await waitForInstance(api, instanceId, 'has begun', ({ log }) => log.lines > 0)
  return instanceId
}

/** It kept its lease all the while: its first attempt still runs, and ends when it is told to. */
async function expectUnharmed(instanceId: string): Promise<void> {
  expect(await getInstance(api, instanceId)).toMatchObject({ status: 'RUNNING', attempt: 1 })
  await api.post(`/api/instances/${instanceId}/cancel`)
  expect(await waitForEnd(api, instanceId)).toMatchObject({ status: 'CANCELLED', attempt: 1 })
}

/** `look` from `lanes` sides at a time, until runs that do nothing have started and ended `runs` times beside them and each lane has looked once. How long those runs took, in ms. */
async function runsBeside(runs: number, lanes: number, look: (lane: number) => Promise<void>): Promise<number[]> {
  const job = await createJob(api, shellJob('true'))
  const state = { isDone: false }
  const looking = Array.from({ length: lanes }, async (_, lane) => {
    do await look(lane)
    while (!state.isDone)
  })
  const took: number[] = []
  const running = async (): Promise<void> => {
    try {
      for (let i = 0; i < runs; i++) {
        const startedAt = performance.now()
        expect(await waitForEnd(api, await runJob(api, job.id))).toMatchObject({ status: 'SUCCEEDED', attempt: 1 })
        took.push(performance.now() - startedAt)
      }
    } finally {
      state.isDone = true
    }
  }
  await Promise.all([running(), ...looking])
  return took.toSorted((a, b) => a - b)
}

async function report(what: string, took: number[]): Promise<void> {
  const delays = await Promise.all([0, 1].map((i) => readMetric(cluster().server(i).url, 'jobtrail_nodejs_eventloop_lag_p99_seconds')))
  const ms = (value: number): string => `${Math.round(value)} ms`
  process.stdout.write(
    `${what}: no-op runs beside it p50 ${ms(took[Math.floor(took.length / 2)] ?? 0)}, at most ${ms(took.at(-1) ?? 0)}; p99 of the servers' event loop delay ${delays.map((each) => ms(each * 1_000)).join(', ')}\n`,
  )
}

describe('a search that costs much', () => {
  test('holds up nobody else, and ends with an answer or a refusal that says what to do', async () => {
    const script = "for (let i = 0; i < 64; i++) console.log(Array.from({ length: 60000 }, () => 'ab'[Math.floor(Math.random() * 2)]).join(''))"
    const { instanceId } = await createAndRun(api, commandJob('node', ['-e', script]))
    await waitForSealed(api, instanceId)
    const bystander = await startBystander()
    const sides = await viewers()
    const patterns = ['(a?b?){320}c$', '(a?b?){160}c$', '(a|b)*a(a|b){200}c']
    const outcomes = new Map<string, number>()
    const took = await runsBeside(5, 12, async (lane) => {
      const outcome = await searchOn(sides[lane % 2] ?? api, instanceId, patterns[lane % 3] ?? '')
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    })
    await report(`12 searches at a time (${[...outcomes].map(([outcome, count]) => `${outcome} ${count}`).join(', ')})`, took)
    expect([...outcomes.keys()].toSorted()).toEqual(
      ['TOO_BROAD', 'TOO_MANY_REQUESTS', 'UNAVAILABLE', 'VALIDATION_FAILED', 'answers'].filter((each) => outcomes.has(each)),
    )
    expect(outcomes.get('TOO_MANY_REQUESTS')).toBeGreaterThan(0)
    await expectUnharmed(bystander)
    // Nothing of it is left: an ordinary search is answered.
    expect((await api.get(`/api/instances/${instanceId}/logs/search?q=c`, LogSearchPage)).matches).toEqual([])
  })
})

describe('reads that hang', () => {
  test('leave connections and time for runs; what is too much of one user is refused', async () => {
    const { instanceId } = await createAndRun(api, shellJob('echo line'))
    await waitForSealed(api, instanceId)
    const job = await createJob(api, shellJob('true'))
    const bystander = await startBystander()
    const database = await cluster().database()
    const instances = database.collection<{ _id: string; status: string }>('instances')
    const outcomes: number[] = []
    const look = async (side: ApiClient, path: string): Promise<void> => {
      const response = await side.raw('GET', `/api/instances/${instanceId}/logs${path}`, { signal: AbortSignal.timeout(100_000) })
      if (response.status === 429) expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
      await response.body?.cancel()
      outcomes.push(response.status)
    }
    const times = (count: number, side: ApiClient, path: string): Promise<void>[] => Array.from({ length: count }, () => look(side, path))
    const sides = (await Promise.all(Array.from({ length: 4 }, viewers))).map(([side]) => side)
    const [greedy = api, downloader = api] = sides
    const { asked } = await withReadFault(database, cluster().server(0).name, 'log_chunks', { blockTimeMs: 10_000 }, async () => {
      const looking = [...times(130, greedy, ''), ...times(31, downloader, '/raw'), ...sides.slice(1).flatMap((side) => times(12, side, ''))]
      // Looked at below; a failure before that is the one to tell.
      for (const each of looking) each.catch(() => undefined)
      const started = await runJob(api.at(cluster().server(0).url), job.id)
      await waitFor(async () => (await instances.findOne({ _id: started }))?.status === 'SUCCEEDED' || undefined, {
        timeoutMs: 60_000,
        what: 'the run has ended',
      })
      // Of all that was asked before, only what was refused has been answered.
      expect([...new Set(outcomes)]).toEqual([429])
      return { asked: looking }
    })
    await Promise.all(asked)
    expect(outcomes.filter((status) => status === 429)).toHaveLength(18 + 1)
    await expectUnharmed(bystander)
  })

  test('are ended, and the answer says to narrow them', async () => {
    const maxTimeExpired = { errorCode: 50 }
    await withReadFault(await cluster().database(), cluster().server(0).name, 'instances', maxTimeExpired, async () => {
      const side = await cluster().api(cluster().server(0).url)
      const refused = { status: 422, code: 'TOO_BROAD', message: expect.stringContaining('narrow it') }
      await expect(side.get('/api/instances?text=x')).rejects.toMatchObject(refused)
      await expect(side.get('/api/instances?status=FAILED')).rejects.toMatchObject(refused)
    })
  })
})

test('a page of large jobs ends early, and the next goes on', async () => {
  const prefix = uniqueName('large')
  const names = Array.from({ length: 24 }, (_, i) => `${prefix}-${String(i).padStart(2, '0')}`)
  for (const name of names) await createJob(api, shellJob(`: ${'x'.repeat(262_000)}`, { name }))
  const found: string[] = []
  let pages = 0
  for (let cursor = ''; ; pages++) {
    const { items, next } = await api.get(`/api/jobs?search=${prefix}&limit=1000${cursor}`, JobPage)
    expect(items.length).toBeLessThan(20)
    found.push(...items.map(({ name }) => name))
    if (next === null) break
    cursor = `&cursor=${next}`
  }
  expect(found).toEqual(names)
  expect(pages).toBeGreaterThan(0)
})

describe('one user', () => {
  test('follows so many logs at a time, and may again when they have left some', async () => {
    const bystander = await startBystander()
    const [viewer] = await viewers()
    const path = `/api/instances/${bystander}/logs/follow`
    const leave = new AbortController()
    const follow = () => viewer.raw('GET', path, { signal: leave.signal })
    expect(new Set((await Promise.all(Array.from({ length: 100 }, follow))).map(({ status }) => status))).toEqual(new Set([200]))
    await expect(viewer.get(path)).rejects.toMatchObject({ status: 429, code: 'TOO_MANY_REQUESTS', message: expect.stringContaining('100') })
    const other = await (await viewers())[0].raw('GET', path)
    expect(other.status).toBe(200)
    await other.body?.cancel()
    leave.abort()
    await waitFor(
      async () => {
        const again = await viewer.raw('GET', path)
        await again.body?.cancel()
        return again.status === 200 || undefined
      },
      { timeoutMs: 30_000, what: 'a place among the followed logs' },
    )
    await expectUnharmed(bystander)
  })

  test('who asks on a socket without waiting for answers is cut off', async () => {
    const [viewer] = await viewers()
    const { token = '' } = viewer
    const socket = io(`${viewer.baseUrl}${CONSOLE_NAMESPACE}`, { transports: ['websocket'], reconnection: false, auth: { token } })
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('disconnect', () => resolve())
        socket.once('connect_error', reject)
        socket.once('connect', () => {
          const message = { follow: 1, instanceId: crypto.randomUUID(), task: 0, from: 0 }
          for (let i = 0; i < 500; i++) socket.emit('log.follow', message, () => undefined)
        })
      })
    } finally {
      socket.disconnect()
    }
  })
})

test('a connection on which nothing is asked is closed', async () => {
  await silent
})

/** How a few calls of a search end: `answers`, or the code of the refusal. */
async function searchOn(side: ApiClient, instanceId: string, pattern: string): Promise<string> {
  for (let from = 0, calls = 0; calls < 3; calls++) {
    const query = new URLSearchParams({ q: pattern, mode: 'regex', from: String(from) })
    try {
      const { matches, next } = await side.get(`/api/instances/${instanceId}/logs/search?${query}`, LogSearchPage)
      expect(matches).toEqual([])
      if (next === null) break
      from = next
    } catch (error) {
      if (!(error instanceof ApiError) || error.code === undefined) throw error
      return error.code
    }
  }
  return 'answers'
}
