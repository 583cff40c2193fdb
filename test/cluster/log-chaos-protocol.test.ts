import type { ApiClient } from '@jobtrail/deploy/api-client'
import { LogVerification } from '@jobtrail/shared/api/logs'
import type { AttemptKey } from '@jobtrail/shared/domain/attempt-key'
import { LineFlag, type StreamTotals } from '@jobtrail/shared/log/chunk'
import { type Chunk, ChunkBuilder } from '@jobtrail/shared/log/chunk-builder'
import type { ChunkResult } from '@jobtrail/shared/protocol/worker'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createAndRun, getInstance, type JobInput, logPage, rawLog, shellJob, uniqueName, waitForInstance } from '../support/factories.js'
import { LogPoller } from '../support/log-poller.js'
import { readMetric } from '../support/metrics.js'
import { lineText, sideOf } from '../support/numbered-lines.js'
import { ProtocolWorker } from '../support/protocol-worker.js'

const LINES = 4_000
const SEED = 7

/** A log as a worker would send it: its chunks, of 1 to 60 lines each, its sums, and its bytes. */
function makeLog(key: AttemptKey, lines: number, seed = SEED): { chunks: Chunk[]; totals: StreamTotals; bytes: Buffer } {
  const builder = new ChunkBuilder(key)
  const chunks: Chunk[] = []
  const texts: string[] = []
  for (let n = 0, left = 1; n < lines; n++) {
    const text = lineText(seed, n)
    texts.push(`${text}\n`)
    builder.add(Buffer.from(text), sideOf(seed, n) === 'stderr' ? LineFlag.STDERR : 0, 1_700_000_000_000 + n)
    left--
    if (left > 0 && n < lines - 1) continue
    const chunk = builder.close()
    if (chunk !== undefined) chunks.push(chunk)
    left = 1 + (text.length % 60)
  }
  return { chunks, totals: builder.closedTotals, bytes: Buffer.from(texts.join('')) }
}

/** The same items in another order, always the same one. */
function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item, i) => ({ item, rank: Math.imul(i + 1, 0x9e3779b1) >>> 0 }))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ item }) => item)
}

/** Cuts a list into pieces of 1, 2, 3 … 16, 1, 2 … items. */
function pieces<T>(items: readonly T[]): T[][] {
  const result: T[][] = []
  for (let at = 0; at < items.length;) {
    const size = 1 + (result.length % 16)
    result.push(items.slice(at, at + size))
    at += size
  }
  return result
}

describe('a log whose worker sends it as badly as it may', () => {
  // These workers do not send heartbeats: nothing is to be lost by time.
  const cluster = useCluster({ servers: 3, workers: 0, balancer: 'nginx', serverEnv: { JOBTRAIL_LEASE_MS: '600000' } })
  const workers: ProtocolWorker[] = []
  let api: ApiClient
  let worker: ProtocolWorker

  beforeAll(async () => {
    api = await cluster().api()
    worker = await addWorker()
  })
  afterAll(() => {
    for (const each of workers) each.disconnect()
  })

  async function addWorker(): Promise<ProtocolWorker> {
    const added = new ProtocolWorker(await cluster().createWorkerToken(), uniqueName('by-hand'), 100)
    workers.push(added)
    await added.connect(cluster().url)
    return added
  }

  /** An instance that the worker was given. */
  async function newAttempt(to: ProtocolWorker, more: Partial<JobInput> = {}): Promise<AttemptKey> {
    const { instanceId } = await createAndRun(api, shellJob('true', { routing: { tags: [to.tag] }, ...more }))
    const { task, attempt } = await to.assignment(instanceId, 1)
    return { instanceId, task, attempt }
  }

  /** What the servers have counted together. */
  async function countedResults(): Promise<{ ok: number; dup: number }> {
    const sum = async (result: ChunkResult): Promise<number> => {
      const counts = await Promise.all(cluster().servers.map(({ url }) => readMetric(url, 'jobtrail_log_chunks_total', { result })))
      return counts.reduce((total, count) => total + count, 0)
    }
    return { ok: await sum('ok'), dup: await sum('dup') }
  }

  /** Sends until each chunk is stored; how often each result came for each of them. */
  async function deliver(messages: readonly Chunk[][]): Promise<Map<Chunk, ChunkResult[]>> {
    const results = new Map<Chunk, ChunkResult[]>()
    const send = async (chunks: readonly Chunk[]): Promise<void> => {
      const answers = await worker.log(chunks)
      chunks.forEach((chunk, i) => results.set(chunk, [...(results.get(chunk) ?? []), ...answers.slice(i, i + 1)]))
      const again = chunks.filter((_, i) => answers[i] === 'busy')
      if (again.length > 0) await send(again)
    }
    await Promise.all(messages.map(send))
    return results
  }

  async function expectSealed(key: AttemptKey, { totals, bytes }: { totals: StreamTotals; bytes: Buffer }): Promise<void> {
    const { instanceId, attempt } = key
    for (const base of [cluster().url, ...cluster().servers.map(({ url }) => url)]) {
      const there = api.at(base)
      expect((await rawLog(there, instanceId, `attempt=${attempt}`)).equals(bytes)).toBe(true)
      expect(await logPage(there, instanceId, `attempt=${attempt}&from=-1`)).toMatchObject({ state: 'sealed', total: totals.lines })
      const verification = await there.get(`/api/instances/${instanceId}/logs/verify?attempt=${attempt}`, LogVerification)
      expect(verification).toMatchObject({ valid: true, state: 'sealed', lines: totals.lines, bytes: totals.bytes, digest: totals.digest })
    }
  }

  test('in any order, twice, by several messages at a time and over every server in turn, is stored once and in order', async () => {
    const key = await newAttempt(worker)
    const log = makeLog(key, LINES)
    const countedBefore = await countedResults()
    const held = log.chunks[Math.floor(log.chunks.length / 3)] ?? expect.fail('no chunks')
    const bases = [cluster().url, ...cluster().servers.map(({ url }) => url)]
    const poller = new LogPoller([key.instanceId], bases, api.token)
    poller.start(2)

    const twice = shuffled([...log.chunks, ...log.chunks]).filter((chunk) => chunk !== held)
    const results = new Map<Chunk, ChunkResult[]>()
    const messages = pieces(twice)
    for (let round = 0; round * 8 < messages.length; round++) {
      await worker.connect(bases[round % bases.length] ?? '', [key])
      for (const [chunk, answers] of await deliver(messages.slice(round * 8, round * 8 + 8))) results.set(chunk, [...(results.get(chunk) ?? []), ...answers])
    }
    for (const answers of results.values()) expect(answers.filter((answer) => answer !== 'busy').toSorted()).toEqual(['dup', 'ok'])
    expect(results.size).toBe(log.chunks.length - 1)
    const counted = await countedResults()
    expect({ ok: counted.ok - countedBefore.ok, dup: counted.dup - countedBefore.dup }).toEqual({ ok: results.size, dup: results.size })

    // One is missing: nothing behind it is shown, and it is asked for by name.
    const gap = { from: held.header.n, to: held.header.n + held.header.count }
    for (const base of bases) {
      const prefix = log.bytes.subarray(0, held.header.offset)
      expect((await rawLog(api.at(base), key.instanceId)).equals(prefix)).toBe(true)
      expect(await logPage(api.at(base), key.instanceId, `from=${gap.from}`)).toMatchObject({ state: 'open', total: gap.from, lines: [], next: gap.from })
    }
    expect(await worker.resume(key)).toEqual({
      state: 'open',
      ranges: [
        { from: 0, to: gap.from },
        { from: gap.to, to: LINES },
      ],
    })
    expect(await worker.finished(key, log.totals)).toBe('ok')
    expect(await worker.seal(key, log.totals)).toEqual({ state: 'missing', missing: [gap] })
    expect(await getInstance(api, key.instanceId)).toMatchObject({ status: 'SUCCEEDED', log: { state: 'open', lines: gap.from } })

    expect(await worker.log([held])).toEqual(['ok'])
    expect(await worker.seal(key, log.totals)).toEqual({ state: 'sealed', missing: [] })
    expect(await worker.seal(key, log.totals)).toEqual({ state: 'sealed', missing: [] })
    await expectSealed(key, log)
    await poller.stop()
    expect(poller.problems).toEqual([])
    const { compared, differences } = poller.compare(key.instanceId, 1, log.bytes, (text) => sideOf(SEED, Number.parseInt(text, 10)))
    expect(differences).toEqual([])
    expect(compared).toBeGreaterThan(0)
  })

  test('with another chunk for a place that is taken, or for a log that is sealed, changes nothing of it', async () => {
    const key = await newAttempt(worker)
    const log = makeLog(key, 300)
    const other = makeLog(key, 300, SEED + 1)
    const [first, second, third] = log.chunks
    const [otherFirst] = other.chunks
    if (first === undefined || second === undefined || third === undefined || otherFirst === undefined) expect.fail('too few chunks')
    expect(await worker.log([first])).toEqual(['ok'])
    expect(await worker.log([otherFirst])).toEqual(['conflict'])
    const broken = Buffer.from(second.data)
    broken[broken.length - 1] = 0
    expect(await worker.log([{ header: second.header, data: broken }, third])).toEqual(['refused', 'ok'])
    await deliver([log.chunks])
    expect((await worker.seal(key, other.totals))?.state).toBe('conflict')
    expect((await worker.seal(key, log.totals))?.state).toBe('sealed')

    expect((await worker.seal(key, other.totals))?.state).toBe('conflict')
    expect(await worker.log([first, otherFirst])).toEqual(['dup', 'conflict'])
    const beyond = new ChunkBuilder(key, log.totals)
    beyond.add(Buffer.from('one more'), 0, Date.now())
    expect(await worker.log([beyond.close() ?? expect.fail('no chunk')])).toEqual(['conflict'])
    await expectSealed(key, log)
  })

  test('is none of another worker, whose chunks, seals and ends for it are refused', async () => {
    const stranger = await addWorker()
    const key = await newAttempt(worker)
    const log = makeLog(key, 100)
    expect(await stranger.log(log.chunks)).toEqual(log.chunks.map(() => 'refused'))
    expect((await stranger.seal(key, log.totals))?.state).toBe('unknown')
    expect((await stranger.resume(key))?.state).toBe('unknown')
    expect(await stranger.started(key)).toBe('fenced')
    expect(await stranger.finished(key, log.totals)).toBe('fenced')
    expect(await stranger.heartbeat([key])).toMatchObject({ stop: [key] })
    expect(await getInstance(api, key.instanceId)).toMatchObject({ status: 'RUNNING', log: { state: 'open', lines: 0 } })
  })

  test('under a number that was given up is still taken, but start and end are refused, and the successor is another log', async () => {
    const key = await newAttempt(worker, { retry: { maxRetries: 1, backoffMs: 0 } })
    expect(await worker.started(key)).toBe('ok')
    const log = makeLog(key, 500)
    const early = log.chunks.slice(0, 5)
    const late = log.chunks.slice(5)
    expect(await worker.log(early)).toEqual(early.map(() => 'ok'))
    // Connected anew without it, it is a worker that has lost its memory of the attempt.
    await worker.connect(cluster().server(1).url)
    const successor = { ...key, attempt: 2 }
    await worker.assignment(key.instanceId, 2)
    await waitForInstance(
      api,
      key.instanceId,
      'its first attempt is given up',
      ({ attempts }) => attempts[0]?.status === 'LOST' && attempts[0].log.state === 'interrupted',
    )

    expect(await worker.started(key)).toBe('fenced')
    expect(await worker.finished(key, log.totals, { result: 'of the first' })).toBe('fenced')
    expect(await worker.heartbeat([key, successor])).toMatchObject({ stop: [key] })
    expect((await worker.connect(cluster().server(2).url, [key, successor])).stop).toEqual([key])
    expect(await worker.resume(key)).toEqual({ state: 'interrupted', ranges: [{ from: 0, to: late[0]?.header.n }] })
    expect(await worker.log(shuffled(late))).toEqual(late.map(() => 'ok'))

    const next = makeLog(successor, 200, SEED + 1)
    expect(await worker.log(next.chunks)).toEqual(next.chunks.map(() => 'ok'))
    expect(await worker.finished(successor, next.totals, { result: 'of the second' })).toBe('ok')
    expect((await worker.seal(key, log.totals))?.state).toBe('sealed')
    expect((await worker.seal(successor, next.totals))?.state).toBe('sealed')
    await expectSealed(key, log)
    await expectSealed(successor, next)
    const attempts = [
      { attempt: 1, status: 'LOST' },
      { attempt: 2, status: 'SUCCEEDED' },
    ]
    expect(await getInstance(api, key.instanceId)).toMatchObject({ status: 'SUCCEEDED', attempt: 2, result: 'of the second', attempts })
  })
})
