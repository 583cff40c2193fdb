import { ApiClient, ApiError } from '@jobtrail/deploy/api-client'
import { LogSearchPage } from '@jobtrail/shared/api/logs'
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
import { readMetric } from '../support/metrics.js'

const cluster = useCluster({ servers: 2, workers: 1, serverEnv: { JOBTRAIL_LEASE_MS: '5000' } })

let api: ApiClient
beforeAll(async () => {
  api = await cluster().api()
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
      const outcome = await searchToEnd(sides[lane % 2] ?? api, instanceId, patterns[lane % 3] ?? '')
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    })
    await report(`12 searches at a time (${[...outcomes].map(([outcome, count]) => `${outcome} ${count}`).join(', ')})`, took)
    expect([...outcomes.keys()].toSorted()).toEqual(['TOO_BROAD', 'TOO_MANY_REQUESTS', 'VALIDATION_FAILED', 'end'].filter((each) => outcomes.has(each)))
    expect(outcomes.get('TOO_MANY_REQUESTS')).toBeGreaterThan(0)
    await expectUnharmed(bystander)
    // Nothing of it is left: an ordinary search is answered.
    expect((await api.get(`/api/instances/${instanceId}/logs/search?q=c`, LogSearchPage)).matches).toEqual([])
  })
})

/** How a search through a whole log ends: `end`, or the code of the refusal. */
async function searchToEnd(side: ApiClient, instanceId: string, pattern: string): Promise<string> {
  for (let from = 0; ;) {
    const query = new URLSearchParams({ q: pattern, mode: 'regex', from: String(from) })
    try {
      const { matches, next } = await side.get(`/api/instances/${instanceId}/logs/search?${query}`, LogSearchPage)
      expect(matches).toEqual([])
      if (next === null) return 'end'
      from = next
    } catch (error) {
      if (!(error instanceof ApiError) || error.code === undefined) throw error
      return error.code
    }
  }
}
