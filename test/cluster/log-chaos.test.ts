import { createHash } from 'node:crypto'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiClient } from '@jobtrail/deploy/api-client'
import { LogVerification } from '@jobtrail/shared/api/logs'
import { beforeAll, describe, expect, test } from 'vitest'
import { attemptProcesses, waitForNoProcess } from '../support/attempt-processes.js'
import { useCluster } from '../support/cluster.js'
import { commandJob, createAndRun, getInstance, logPage, rawLog, waitForInstance, waitForSealed } from '../support/factories.js'
import { LogFollower } from '../support/follow.js'
import { Gate } from '../support/gate.js'
import { LogPoller } from '../support/log-poller.js'
import { numberedLinesCommand, type Side, sideOf, writtenSides } from '../support/numbered-lines.js'

const INSTANCES = 20
const LINES = 50_000
/** One to begin with, two for each of the seven times that something is broken (one is written meanwhile, one after it was mended), one for the end. */
const SECTIONS = 16
const BURST = 250
const PAUSE_MS = 80
/** Logs that are followed live: each line is an event of its own, so they are few. */
const FOLLOWED = 3
/** How long connections are cut. */
const CUT_MS = 10_000

type Run = { seed: number; instanceId: string }

describe('twenty instances write 50,000 lines each while everything breaks', () => {
  const cluster = useCluster({ servers: 3, workers: 3, balancer: 'nginx', mongoMembers: 3, slots: 8 })
  const runs: Run[] = []
  /** Instances whose worker was killed. */
  const lost: string[] = []
  let gate: Gate
  let poller: LogPoller
  /** Who follows some of the logs from their first line on, on another server after each lost connection. */
  const followers = new Map<Run, LogFollower>()

  beforeAll(async () => {
    gate = new Gate(join(cluster().dir, 'gate'), 1)
    const api = await cluster().api()
    for (let seed = 1; seed <= INSTANCES; seed++) {
      const { command, args } = numberedLinesCommand({ seed, lines: LINES }, { sections: SECTIONS, gateFile: gate.file, burst: BURST, pauseMs: PAUSE_MS })
      const { instanceId } = await createAndRun(api, commandJob(command, args, { retry: { maxRetries: 3, backoffMs: 100 } }))
      runs.push({ seed, instanceId })
    }
    const bases = [cluster().url, ...cluster().servers.map(({ url }) => url)]
    poller = new LogPoller(
      runs.map(({ instanceId }) => instanceId),
      bases,
      api.token,
    )
    poller.start(2)
    const apis = bases.map((base) => api.at(base))
    for (const run of runs.slice(0, FOLLOWED)) followers.set(run, new LogFollower(apis, run.instanceId))
    await poller.waitForGrowth()
    return async () => {
      for (const follower of followers.values()) follower.stop()
      await poller.stop()
    }
  }, 120_000)

  /** Breaks something while a section is written, and then sees every log go on. */
  async function whileWriting(breakAndMend: () => Promise<void>): Promise<void> {
    gate.open()
    await breakAndMend()
    await cluster().waitForWorkers()
    gate.open()
    await poller.waitForGrowth()
  }

  async function killAndRestartServer(index: number): Promise<void> {
    const server = cluster().server(index)
    await server.kill()
    await server.start()
  }

  /** Kills Redis and removes its files before it is started again. */
  async function emptyRedis(): Promise<void> {
    const { redis } = cluster()
    await redis.kill()
    const files = join(cluster().dir, 'redis')
    for (const name of readdirSync(files)) if (name !== 'redis.log') rmSync(join(files, name), { recursive: true })
    await redis.start()
  }

  async function killAndRestartPrimary(): Promise<void> {
    const { replicaSet } = cluster()
    const { index } = await replicaSet.primary()
    await replicaSet.kill(index)
    const next = await replicaSet.primary()
    expect(next.index).not.toBe(index)
    await replicaSet.restart(index)
  }

  test('a server is killed and started again', () => whileWriting(() => killAndRestartServer(0)))

  test('the primary of MongoDB is killed', () => whileWriting(killAndRestartPrimary))

  test('a worker is killed and started again: no process of it is left, and its attempts are made again', () =>
    whileWriting(async () => {
      const api = await cluster().api()
      const worker = cluster().worker(1)
      const details = await Promise.all(runs.map(({ instanceId }) => getInstance(api, instanceId)))
      lost.push(...details.filter(({ attempts }) => attempts.at(-1)?.workerName === worker.name).map(({ id }) => id))
      expect(lost.length).toBeGreaterThan(0)
      for (const id of lost) expect(attemptProcesses(id, 1).length).toBeGreaterThan(0)
      await worker.kill()
      await waitForNoProcess(lost, 1)
      worker.start()
      await cluster().waitForWorkers()
      for (const id of lost) await waitForInstance(api, id, 'runs its second attempt', ({ attempts }) => attempts.at(-1)?.attempt === 2)
    }))

  test('Redis is stopped, emptied and started', () => whileWriting(emptyRedis))

  test('all servers are killed and started again, one after another', () =>
    whileWriting(async () => {
      for (const index of cluster().servers.keys()) await killAndRestartServer(index)
    }))

  test('every connection of the workers is cut for ten seconds', () =>
    whileWriting(async () => {
      const { balancer } = cluster()
      balancer?.pause()
      await sleep(CUT_MS) // the length of the cut is what is tested
      balancer?.resume()
    }))

  test('a server, Redis and the primary of MongoDB are killed at the same time', () =>
    whileWriting(async () => {
      await Promise.all([killAndRestartServer(2), emptyRedis(), killAndRestartPrimary()])
    }))

  test('every log is sealed in the end, and is what the process wrote', async () => {
    gate.openAll()
    const { servers } = cluster()
    const api = await cluster().api()
    for (const { instanceId } of runs) await waitForSealed(api, instanceId, 180_000)
    await poller.stop()
    for (const run of runs) {
      const { seed, instanceId } = run
      const instance = await getInstance(api, instanceId)
      expect(instance).toMatchObject({ status: 'SUCCEEDED', attempt: lost.includes(instanceId) ? 2 : 1, log: { state: 'sealed', lines: LINES } })
      const written = digestsOf(writtenSides({ seed, lines: LINES }))
      const whole = await rawLog(api, instanceId)
      expect(digestsOf(splitBySide(whole, seed))).toEqual(written)
      for (const { url } of servers) {
        const there = api.at(url)
        expect(sha256(await there.bytes(`/api/instances/${instanceId}/logs/raw`, { 'accept-encoding': 'identity' }))).toBe(sha256(whole))
        expect(await logPage(there, instanceId, 'from=-1&limit=1')).toMatchObject({ state: 'sealed', total: LINES, next: null })
      }
      // Each of these reads the whole log once more: from another server for each instance.
      const there = api.at(cluster().server(seed % servers.length).url)
      expect(digestsOf({ stdout: await rawLog(there, instanceId, 'stream=stdout'), stderr: await rawLog(there, instanceId, 'stream=stderr') })).toEqual(written)
      expect(await verify(there, instanceId, instance.attempt)).toMatchObject({ valid: true, state: 'sealed', lines: LINES })
      expectSeenIn(whole, run, instance.attempt)
    }
  }, 360_000)

  test('the log of a lost attempt is partial, and is the beginning of what its process wrote', async () => {
    const api = await cluster().api()
    for (const run of runs.filter(({ instanceId }) => lost.includes(instanceId))) {
      const { seed, instanceId } = run
      const instance = await waitForInstance(api, instanceId, 'the log of attempt 1 is partial', ({ attempts }) => attempts[0]?.log.state === 'partial')
      expect(instance.attempts).toMatchObject([
        { attempt: 1, status: 'LOST' },
        { attempt: 2, status: 'SUCCEEDED' },
      ])
      const lines = instance.attempts[0]?.log.lines ?? 0
      expect(lines).toBeGreaterThan(0)
      expect(await verify(api, instanceId, 1)).toMatchObject({ valid: true, state: 'partial', lines })
      const written = writtenSides({ seed, lines: LINES })
      for (const side of ['stdout', 'stderr'] as const) {
        const captured = withoutMarker(await rawLog(api, instanceId, `attempt=1&stream=${side}`))
        expect(sha256(captured)).toBe(sha256(written[side].subarray(0, captured.length)))
      }
      expectSeenIn(await rawLog(api, instanceId, 'attempt=1'), run, 1)
    }
  })

  test('who followed a log from its first line saw every line once and in order, over however many connections', async () => {
    const api = await cluster().api()
    for (const [{ instanceId }, follower] of followers) {
      await follower.done
      expect(follower.reconnects).toBeGreaterThan(0)
      const { attempt } = await getInstance(api, instanceId)
      expect(follower.end).toMatchObject({ state: 'sealed', status: 'SUCCEEDED', attempt, total: LINES })
      for (let k = 1; k <= attempt; k++) {
        const seen = follower.lines.filter((line) => line.attempt === k)
        const texts = (await rawLog(api, instanceId, `attempt=${k}`)).toString('utf8').split('\n').slice(0, -1)
        // Of a lost attempt, what was stored when the next one began.
        const expected = k === attempt ? texts : texts.slice(0, seen.length)
        expect(seen.every(({ n }, i) => n === i)).toBe(true)
        expect(sha256(seen.map(({ text }) => text).join('\n'))).toBe(sha256(expected.join('\n')))
      }
      expect(follower.lines.map((line) => line.attempt)).toEqual(follower.lines.map((line) => line.attempt).toSorted((a, b) => a - b))
    }
  })

  test('no answer given meanwhile was wrong, on any server', () => {
    expect(poller.problems).toEqual([])
    expect(poller.notCompared).toEqual([])
    for (const base of [cluster().url, ...cluster().servers.map(({ url }) => url)]) expect(poller.answers.get(base)).toBeGreaterThan(10)
  })

  /** Every answer of the poller was a beginning, or a piece of the beginning, of what the log is in the end. */
  function expectSeenIn(whole: Buffer, { seed, instanceId }: Run, attempt: number): void {
    const { compared, differences } = poller.compare(instanceId, attempt, whole, (text) => (isMarker(text) ? 'stdout' : sideOf(seed, numberOf(text))))
    expect(differences).toEqual([])
    expect(compared).toBeGreaterThan(0)
  }
})

/** Jobtrail's own line at the end of what a worker that died had captured; it stands on the side of stdout. */
const WORKER_DIED = '[jobtrail] the worker died here; output after this line may be missing'
const isMarker = (text: string): boolean => text === WORKER_DIED

function withoutMarker(captured: Buffer): Buffer {
  const end = Buffer.from(`${WORKER_DIED}\n`)
  return captured.subarray(-end.length).equals(end) ? captured.subarray(0, -end.length) : captured
}

function verify(api: ApiClient, instanceId: string, attempt: number): Promise<LogVerification> {
  return api.get(`/api/instances/${instanceId}/logs/verify?attempt=${attempt}`, LogVerification)
}

function sha256(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex')
}

/** The number that every line begins with. */
function numberOf(text: string): number {
  return Number.parseInt(text, 10)
}

function digestsOf({ stdout, stderr }: Record<Side, Buffer>): Record<Side, string> {
  return { stdout: sha256(stdout), stderr: sha256(stderr) }
}

/** The lines of each side, in the order in which the whole log has them. */
function splitBySide(whole: Buffer, seed: number): Record<Side, Buffer> {
  const parts: Record<Side, string[]> = { stdout: [], stderr: [] }
  for (const text of whole.toString('utf8').split('\n').slice(0, -1)) parts[sideOf(seed, numberOf(text))].push(text, '\n')
  return { stdout: Buffer.from(parts.stdout.join('')), stderr: Buffer.from(parts.stderr.join('')) }
}
