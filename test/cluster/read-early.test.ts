import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiClient } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { LogPage } from '@jobtrail/api/logs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createAndRun, createJob, getInstance, logPage, rawLog, runJob, shellJob, waitForInstance, waitForSealed } from '../support/factories.js'
import { LogFollower } from '../support/follow.js'
import { Gate } from '../support/gate.js'

/** What a log was said to hold, again and again, on one server: never less than any server has said before. */
class FreshnessWatch {
  /** What was wrong: above all, answers that were older than an answer given before they were asked for. */
  readonly stale: string[] = []
  answers = 0
  private known = 0
  private isStopped = false
  private readonly loops: Promise<void>[]

  constructor(
    apis: readonly ApiClient[],
    private readonly instanceId: string,
  ) {
    this.loops = apis.flatMap((api) => [this.watch(api, readPage), this.watch(api, readRaw), this.watch(api, readDetail)])
  }

  async stop(): Promise<void> {
    this.isStopped = true
    await Promise.all(this.loops)
  }

  private async watch(api: ApiClient, read: (api: ApiClient, instanceId: string) => Promise<number>): Promise<void> {
    while (!this.isStopped) {
      const before = this.known
      try {
        const lines = await read(api, this.instanceId)
        if (lines < before) this.stale.push(`${api.baseUrl} ${read.name}: ${lines} lines, when ${before} had been shown`)
        this.known = Math.max(this.known, lines)
      } catch (error) {
        this.stale.push(`${api.baseUrl} ${read.name}: ${String(error)}`)
      }
      this.answers++
      await sleep(WATCH_PAUSE_MS)
    }
  }
}

/** The watch must not take the machine from what it watches. */
const WATCH_PAUSE_MS = 20
const NO_STORE = /(^|,\s*)no-store($|,)/

async function readPage(api: ApiClient, instanceId: string): Promise<number> {
  const { lines, total } = await logPage(api, instanceId)
  expect(lines).toHaveLength(total)
  return total
}

async function readRaw(api: ApiClient, instanceId: string): Promise<number> {
  return (await rawLog(api, instanceId)).toString('utf8').split('\n').length - 1
}

async function readDetail(api: ApiClient, instanceId: string): Promise<number> {
  return (await getInstance(api, instanceId)).log.lines
}

describe('a log that is asked for early', () => {
  const cluster = useCluster({ servers: 3, workers: 0, balancer: 'nginx' })
  const followers: LogFollower[] = []
  let apis: ApiClient[] = []
  let turn = 0

  beforeAll(async () => {
    const api = await cluster().api()
    apis = [api, ...cluster().servers.map(({ url }) => api.at(url))]
  })
  afterAll(() => {
    for (const follower of followers) follower.stop()
  })

  function followEverywhere(instanceId: string, query = ''): LogFollower[] {
    const mine = apis.map((api) => new LogFollower([api], instanceId, query))
    followers.push(...mine)
    return mine
  }

  /** As above, of a log that goes on: returns when the servers know of all of them. */
  async function followNow(instanceId: string): Promise<LogFollower[]> {
    const before = await countFollowers()
    const mine = followEverywhere(instanceId)
    await waitFor(async () => (await countFollowers()) >= before + mine.length, { timeoutMs: 30_000, what: 'the followers to be connected' })
    return mine
  }

  async function countFollowers(): Promise<number> {
    const texts = await Promise.all(apis.slice(1).map((api) => api.text('/metrics')))
    return texts.reduce((sum, text) => sum + Number(/^jobtrail_log_followers (\d+)$/m.exec(text)?.[1] ?? Number.NaN), 0)
  }

  async function expectEmptyEverywhere(instanceId: string): Promise<void> {
    for (const api of apis) {
      for (const query of ['', '?from=-10', '?order=desc', '?stream=stderr', '?limit=1&from=5']) {
        const response = await api.raw('GET', `/api/instances/${instanceId}/logs${query}`)
        expect(response.status).toBe(200)
        expect(response.headers.get('cache-control')).toMatch(NO_STORE)
        expect(response.headers.get('etag')).toBeNull()
        expect(LogPage.parse(await response.json())).toMatchObject({ state: 'open', total: 0, attempt: 1, lines: [] })
      }
      for (const query of ['', '?stream=stdout', '?timestamps=true']) {
        const raw = await api.raw('GET', `/api/instances/${instanceId}/logs/raw${query}`)
        expect(raw.status).toBe(200)
        expect(raw.headers.get('cache-control')).toMatch(NO_STORE)
        expect(raw.headers.get('x-jobtrail-log-state')).toBe('open')
        expect(await raw.text()).toBe('')
      }
      expect((await getInstance(api, instanceId)).log).toEqual({ state: 'open', lines: 0, bytes: 0 })
    }
  }

  /** Waits until one server shows so many lines, another one each time; the others are then asked at once, and have to show them too. */
  async function expectLinesEverywhere(instanceId: string, expected: string[]): Promise<void> {
    const first = apis[turn++ % apis.length] ?? expect.fail('nobody to ask')
    await waitFor(async () => (await logPage(first, instanceId)).total >= expected.length, {
      timeoutMs: 30_000,
      what: `${expected.length} lines on ${first.baseUrl}`,
      intervalMs: 10,
    })
    const pages = await Promise.all(apis.map((api) => logPage(api, instanceId)))
    for (const { lines } of pages) expect(lines.map(({ text }) => text)).toEqual(expected)
    const raws = await Promise.all(apis.map((api) => rawLog(api, instanceId)))
    for (const raw of raws) expect(raw.toString('utf8')).toBe(expected.map((text) => `${text}\n`).join(''))
  }

  async function expectFollowed(follower: LogFollower, lines: { attempt: number; n: number; text: string }[]): Promise<void> {
    await follower.done
    expect(follower.lines.map(({ attempt, n, text }) => ({ attempt, n, text }))).toEqual(lines)
    expect(follower.reconnects).toBe(0)
  }

  test('shows every line on every server as soon as one has shown it, though each was asked before there was any', async () => {
    const gate = new Gate(join(cluster().dir, 'gate-lines'))
    const texts = ['the first line', 'ein zweiter, größer', '三行目', '🚀 the last']
    const script = texts.map((text, i) => `${gate.shell(i + 1)}\necho '${text}'`).join('\n')
    const api = await cluster().api()
    const { instanceId } = await createAndRun(api, shellJob(`${script}\n${gate.shell(texts.length + 1)}`))

    // Nobody can run it yet.
    await expectEmptyEverywhere(instanceId)
    const early = await followNow(instanceId)
    const watch = new FreshnessWatch(apis, instanceId)
    await cluster().addWorker()
    await waitForInstance(api, instanceId, 'is running', ({ attempts }) => attempts[0]?.status === 'RUNNING')
    await expectEmptyEverywhere(instanceId)

    for (let shown = 1; shown <= texts.length; shown++) {
      gate.open()
      await expectLinesEverywhere(instanceId, texts.slice(0, shown))
      if (shown === 1) early.push(...(await followNow(instanceId)))
    }
    gate.openAll()
    await waitForSealed(api, instanceId)
    await watch.stop()
    expect(watch.stale).toEqual([])
    expect(watch.answers).toBeGreaterThan(apis.length * texts.length)
    for (const each of apis) expect(await logPage(each, instanceId)).toMatchObject({ state: 'sealed', total: texts.length, next: null })
    const late = followEverywhere(instanceId)
    for (const follower of [...early, ...late]) {
      await expectFollowed(
        follower,
        texts.map((text, n) => ({ attempt: 1, n, text })),
      )
      expect(follower.end).toMatchObject({ state: 'sealed', status: 'SUCCEEDED', total: texts.length })
    }
  })
  test('is whole on every server in the end, when it is read from before its run until its end', async () => {
    const api = await cluster().api()
    const { id } = await createJob(api, shellJob('echo first; echo second >&2; echo third'))
    const watches: FreshnessWatch[] = []
    for (let run = 0; run < 20; run++) {
      const instanceId = await runJob(api, id)
      const watch = new FreshnessWatch(apis, instanceId)
      watches.push(watch)
      await waitForSealed(api, instanceId)
      await watch.stop()
      for (const each of apis) {
        const { state, lines } = await logPage(each, instanceId)
        expect(state).toBe('sealed')
        expect(lines.map(({ text }) => text).toSorted()).toEqual(['first', 'second', 'third'])
      }
    }
    expect(watches.flatMap(({ stale }) => stale)).toEqual([])
  })

  /** Prints its attempt's number; every attempt but the second fails, once its gate is open. */
  const failingOnce = (gate: Gate): string =>
    `echo "attempt $JOBTRAIL_ATTEMPT_NUMBER"; until [ "$(cat '${gate.file}')" -ge "$JOBTRAIL_ATTEMPT_NUMBER" ]; do sleep 0.05; done; [ "$JOBTRAIL_ATTEMPT_NUMBER" = 2 ]`

  async function expectBothAttempts(instanceId: string): Promise<void> {
    for (const api of apis) {
      expect((await rawLog(api, instanceId)).toString('utf8')).toBe('attempt 2\n')
      expect(await logPage(api, instanceId)).toMatchObject({ state: 'sealed', attempt: 2, total: 1, lines: [{ n: 0, attempt: 2, text: 'attempt 2' }] })
      for (const attempt of [1, 2]) {
        expect((await rawLog(api, instanceId, `attempt=${attempt}`)).toString('utf8')).toBe(`attempt ${attempt}\n`)
        expect(await logPage(api, instanceId, `attempt=${attempt}`)).toMatchObject({
          state: 'sealed',
          attempt,
          total: 1,
          lines: [{ n: 0, attempt, text: `attempt ${attempt}` }],
        })
      }
    }
  }

  test('shows the second attempt on every server where the first was read, when the policy retries it', async () => {
    const api = await cluster().api()
    const gate = new Gate(join(cluster().dir, 'gate-policy'))
    const { instanceId } = await createAndRun(api, shellJob(failingOnce(gate), { retry: { maxRetries: 1, backoffMs: 100 } }))
    await expectLinesEverywhere(instanceId, ['attempt 1'])
    const following = await followNow(instanceId)
    gate.open()
    await waitForInstance(api, instanceId, 'runs its second attempt', ({ attempts }) => attempts[1]?.status === 'RUNNING')
    await expectLinesEverywhere(instanceId, ['attempt 2'])
    gate.open()
    expect((await waitForSealed(api, instanceId)).status).toBe('SUCCEEDED')
    await expectBothAttempts(instanceId)
    for (const follower of following) {
      await expectFollowed(follower, [
        { attempt: 1, n: 0, text: 'attempt 1' },
        { attempt: 2, n: 0, text: 'attempt 2' },
      ])
      expect(follower.end).toMatchObject({ state: 'sealed', status: 'SUCCEEDED', attempt: 2 })
    }
  })

  test('shows the second attempt on every server where the first was read to its end, when a user retries it', async () => {
    const api = await cluster().api()
    const gate = new Gate(join(cluster().dir, 'gate-user'), 2)
    const { instanceId } = await createAndRun(api, shellJob(failingOnce(gate)))
    expect((await waitForSealed(api, instanceId)).status).toBe('FAILED')
    await expectLinesEverywhere(instanceId, ['attempt 1'])
    for (const follower of followEverywhere(instanceId)) await expectFollowed(follower, [{ attempt: 1, n: 0, text: 'attempt 1' }])
    await api.post(`/api/instances/${instanceId}/retry`)
    await waitForInstance(
      api,
      instanceId,
      'has ended its second attempt',
      ({ attempt, status, log }) => attempt === 2 && status === 'SUCCEEDED' && log.state === 'sealed',
    )
    await expectBothAttempts(instanceId)
  })
})
