import { brotliCompressSync, constants, crc32 } from 'node:zlib'
import type { ApiClient } from '@jobtrail/deploy/api-client'
import { readEvents, type ServerSentEvent } from '@jobtrail/deploy/sse'
import { type LogPage, LogSearchPage, LogVerification } from '@jobtrail/shared/api/logs'
import type { AttemptKey } from '@jobtrail/shared/domain/attempt-key'
import { type ChunkHeader, LineFlag, type StreamTotals } from '@jobtrail/shared/log/chunk'
import { type Chunk, ChunkBuilder } from '@jobtrail/shared/log/chunk-builder'
import type { LogLoss } from '@jobtrail/shared/log/losses'
import type { ChunkResult } from '@jobtrail/shared/protocol/worker'
import { Binary } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createAndRun, getInstance, type JobInput, logPage, rawLog, shellJob, uniqueName, waitForInstance } from '../support/factories.js'
import { LogPoller } from '../support/log-poller.js'
import { readMetric } from '../support/metrics.js'
import { lineText, sideOf } from '../support/numbered-lines.js'
import { ProtocolWorker } from '../support/protocol-worker.js'
import { storedIds } from '../support/stored-ids.js'

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

const RETRY_AT_ONCE: Partial<JobInput> = { retry: { maxRetries: 1, backoffMs: 0 } }

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

  test('comes with no retry when processes of the attempt could not be ended', async () => {
    const keys = [await newAttempt(worker, RETRY_AT_ONCE), await newAttempt(worker, RETRY_AT_ONCE)]
    const [stuck, ended] = keys as [AttemptKey, AttemptKey]
    const failed = { status: 'FAILED', exitCode: 1, error: 'dd (7) still runs' } as const
    expect(await worker.finished(stuck, makeLog(stuck, 0).totals, { ...failed, killProblem: 'dd (7)' })).toBe('ok')
    expect(await worker.finished(ended, makeLog(ended, 0).totals, failed)).toBe('ok')
    await worker.assignment(ended.instanceId, 2)
    expect(await getInstance(api, stuck.instanceId)).toMatchObject({
      status: 'FAILED',
      attempt: 1,
      error: 'dd (7) still runs',
      attempts: [{ status: 'FAILED' }],
    })
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
    // Its worker knows that it has read everything.
    expect((await worker.seal(key, { ...log.totals, losses: [] }))?.state).toBe('sealed')
    expect((await worker.seal(successor, next.totals))?.state).toBe('sealed')
    await expectSealed(key, log)
    await expectSealed(successor, next)
    const attempts = [
      { attempt: 1, status: 'LOST' },
      { attempt: 2, status: 'SUCCEEDED' },
    ]
    expect(await getInstance(api, key.instanceId)).toMatchObject({ status: 'SUCCEEDED', attempt: 2, result: 'of the second', attempts })
  })

  /** What is said of a log, wherever it is said. */
  async function expectPartial(key: AttemptKey, bytes: Buffer, lines: number, losses: readonly LogLoss[]): Promise<void> {
    const { instanceId } = key
    const said = { state: 'partial', losses }
    expect(await logPage(api, instanceId, 'from=-1')).toMatchObject({ ...said, total: lines, next: null })
    expect((await getInstance(api, instanceId)).log).toEqual({ ...said, lines, bytes: bytes.length })
    expect(await verify(instanceId)).toMatchObject({ ...said, valid: true, lines })
    expect((await api.raw('HEAD', `/api/instances/${instanceId}/logs/raw`)).headers.get('x-jobtrail-log-state')).toBe('partial')
    expect((await rawLog(api, instanceId)).equals(bytes)).toBe(true)
    expect(JSON.parse((await follow(instanceId)).at(-1)?.data ?? '')).toMatchObject({ ...said, total: lines })
  }

  const verify = (instanceId: string) => api.get(`/api/instances/${instanceId}/logs/verify`, LogVerification)

  async function follow(instanceId: string): Promise<ServerSentEvent[]> {
    const response = await fetch(`${cluster().url}/api/instances/${instanceId}/logs/follow`, { headers: { authorization: `Bearer ${api.token}` } })
    const events: ServerSentEvent[] = []
    for await (const event of readEvents(response.body ?? expect.fail('no body'))) events.push(event)
    return events
  }

  test('is refused chunk by chunk where a chunk is not what its header says', async () => {
    const key = await newAttempt(worker)
    const log = makeLog(key, 400)
    const large = new ChunkBuilder(key, log.totals)
    for (let n = 0; n < 500; n++) large.add(Buffer.from(`a longer line, so that its chunk is compressed ${n}`), 0, 1_700_000_000_000)
    const packed = large.close() ?? expect.fail('no chunk')
    expect(packed.header.encoding).toBe('br')
    const [first] = log.chunks
    const [, second] = log.chunks
    if (first === undefined || second === undefined) expect.fail('too few chunks')
    const lying = ({ header, data }: Chunk, more: Partial<ChunkHeader>, body = data): Chunk => ({
      header: { ...header, size: body.length, checksum: crc32(body), ...more },
      data: body,
    })
    const brokenTable = Buffer.from(second.data)
    brokenTable.fill(0xff, 0, 12)
    // Of a low quality: packing it must not keep this process from answering pings.
    const bomb = brotliCompressSync(Buffer.alloc(8 * 1024 * 1024), { params: { [constants.BROTLI_PARAM_QUALITY]: 2 } })
    const lies: Record<string, Chunk> = {
      'another encoding': lying(packed, { encoding: 'plain' }),
      'an encoding that it has not': lying(second, { encoding: 'br' }),
      'more lines': lying(second, { count: second.header.count + 1 }),
      'fewer lines': lying(packed, { count: packed.header.count - 1 }),
      'other bytes': lying(second, { bytes: second.header.bytes + 1 }),
      'a broken line table': lying(second, {}, brokenTable),
      'a bomb': lying(packed, {}, bomb),
      'a time that is none': lying(second, { firstAt: 8.7e15, lastAt: 8.7e15 }),
      'a place that cannot be counted': lying(second, { n: Number.MAX_SAFE_INTEGER - 1 }),
    }
    expect(bomb.length).toBeLessThan(1_000)
    for (const [what, lie] of Object.entries(lies)) expect([what, await worker.log([lie, first])]).toEqual([what, ['refused', expect.stringMatching(/ok|dup/)]])

    expect([...new Set((await deliver([log.chunks, [packed]])).values())].flat().every((answer) => answer === 'ok' || answer === 'dup')).toBe(true)
    const totals = large.closedTotals
    expect(await worker.finished(key, totals)).toBe('ok')
    expect((await worker.seal(key, totals))?.state).toBe('sealed')
    expect(await verify(key.instanceId)).toMatchObject({ valid: true, state: 'sealed', lines: totals.lines })
  })

  test('has every overlap refused as a conflict at once, over whichever server it comes', async () => {
    const key = await newAttempt(worker)
    const log = makeLog(key, 300)
    const early = log.chunks.slice(0, 4)
    const late = log.chunks.slice(5)
    expect(await worker.log([...early, ...late])).toEqual([...early, ...late].map(() => 'ok'))
    const gap = log.chunks[4] ?? expect.fail('too few chunks')
    /** Lines [n, n + count), right by themselves. */
    const at = (n: number, count: number): Chunk => {
      const builder = new ChunkBuilder(key, { chunks: 1, lines: n, bytes: n, digest: log.totals.digest })
      for (let i = 0; i < count; i++) builder.add(Buffer.from('other'), 0, 1)
      return builder.close() ?? expect.fail('no chunk')
    }
    const { n, count } = gap.header
    for (const { url } of cluster().servers) {
      await worker.connect(url, [key])
      // Into the one before, into the one after, over both, inside of one, beyond the end, and two of one message into each other.
      for (const chunk of [at(n - 1, 2), at(n, count + 1), at(n - 1, count + 2), at(log.totals.lines - 1, 3)])
        expect(await worker.log([chunk])).toEqual(['conflict'])
    }
    expect(await worker.log([at(log.totals.lines + 10, 10), at(log.totals.lines + 15, 10)])).toEqual(['ok', 'conflict'])
    expect(await worker.log([gap])).toEqual(['ok'])
    expect((await rawLog(api, key.instanceId)).equals(log.bytes)).toBe(true)
  })

  test('is not sealed with less than is stored: what was acknowledged is not hidden', async () => {
    const key = await newAttempt(worker)
    const log = makeLog(key, 300)
    await deliver([log.chunks])
    const [first] = log.chunks
    const part = { chunks: 1, lines: first?.header.count ?? 0, bytes: first?.header.bytes ?? 0, digest: first?.header.digest ?? '' }
    const none = new ChunkBuilder(key).closedTotals
    for (const totals of [part, none, { ...part, losses: [] }]) expect((await worker.seal(key, totals))?.state).toBe('conflict')
    // An end that says that there is nothing does not hide anything either.
    expect(await worker.finished(key, none)).toBe('ok')
    expect(await logPage(api, key.instanceId, 'from=-1')).toMatchObject({ state: 'open', total: 300 })
    expect((await worker.seal(key, log.totals))?.state).toBe('conflict')
    expect((await rawLog(api, key.instanceId)).equals(log.bytes)).toBe(true)
  })

  test('is sealed as partial with what it is known to lack, and never said to be whole', async () => {
    const key = await newAttempt(worker)
    const log = makeLog(key, 100)
    await deliver([log.chunks])
    const losses: LogLoss[] = [{ reason: 'cut-off', at: 100, lines: 10, bytes: 1_000 }]
    expect(await worker.finished(key, { ...log.totals, losses })).toBe('ok')
    // What the end of the attempt said is not unsaid by a seal.
    expect((await worker.seal(key, { ...log.totals, losses: [] }))?.state).toBe('sealed')
    await expectPartial(key, log.bytes, 100, losses)
  })

  test('whose worker died before it had reported an end is partial, also when the spool knows of less than had arrived', async () => {
    const lost = await addWorker()
    const [old, torn] = await Promise.all([newAttempt(lost), newAttempt(lost)])
    for (const key of [old, torn]) expect(await lost.started(key)).toBe('ok')
    const logs = new Map([old, torn].map((key) => [key, makeLog(key, 200)]))
    for (const [key, { chunks }] of logs) expect(await lost.log(chunks), key.instanceId).toEqual(chunks.map(() => 'ok'))
    await lost.connect(cluster().url)
    for (const key of [old, torn]) await waitForInstance(api, key.instanceId, 'its attempt is given up', ({ log }) => log.state === 'interrupted')
    const { chunks, totals, bytes } = logs.get(torn) ?? expect.fail('no log')
    const some = chunks.slice(0, 2)
    const last = some.at(-1)?.header ?? expect.fail('too few chunks')
    const known = { chunks: 2, lines: last.n + last.count, bytes: last.offset + last.bytes, digest: last.digest }
    expect((await lost.seal(torn, known))?.state).toBe('conflict')
    expect((await lost.seal(torn, { ...known, losses: [{ reason: 'worker-died', at: known.lines, lines: null, bytes: null }] }))?.state).toBe('sealed')
    await expectPartial(torn, bytes, totals.lines, [{ reason: 'worker-died', at: totals.lines, lines: null, bytes: null }])
    // A worker of the version before does not say what is missing.
    const log = logs.get(old) ?? expect.fail('no log')
    expect((await lost.seal(old, log.totals))?.state).toBe('sealed')
    await expectPartial(old, log.bytes, 200, [{ reason: 'worker-died', at: 200, lines: null, bytes: null }])
  })

  test('with a marker line of a limit, of a worker that names no losses, is partial', async () => {
    const key = await newAttempt(worker)
    const builder = new ChunkBuilder(key)
    builder.add(Buffer.from('one'), 0, 1_000)
    const chunks = [builder.close() ?? expect.fail('no chunk')]
    builder.add(Buffer.from('[jobtrail] log limit of 1 lines reached; what follows is left out'), LineFlag.MARKER, 1_001)
    chunks.push(builder.close() ?? expect.fail('no chunk'))
    expect(await worker.log(chunks)).toEqual(['ok', 'ok'])
    expect(await worker.finished(key, builder.closedTotals)).toBe('ok')
    expect((await worker.seal(key, builder.closedTotals))?.state).toBe('sealed')
    await expectPartial(key, Buffer.from('one\n[jobtrail] log limit of 1 lines reached; what follows is left out\n'), 2, [
      { reason: 'limit', at: 1, lines: null, bytes: null },
    ])
  })

  test('with a line of several pieces, cut inside of a character and over chunks, has it as one line for every reader but followers', async () => {
    const key = await newAttempt(worker)
    const builder = new ChunkBuilder(key)
    const long = 'é'.repeat(40_000)
    const bytes = Buffer.from(`${long} needle ${long}`)
    const at = 80_001 + 4
    const parts = [bytes.subarray(0, 60_001), bytes.subarray(60_001, at), bytes.subarray(at)]
    const [one = '', two = '', three = ''] = parts
    const add = (text: string | Buffer, flags: number): void => builder.add(Buffer.from(text), flags, 1_700_000_000_000)
    add('before', 0)
    add(one, LineFlag.CUT)
    add('of stderr', LineFlag.STDERR)
    const chunks = [builder.close()]
    add(two, LineFlag.CUT)
    chunks.push(builder.close())
    add(three, 0)
    add('after', 0)
    chunks.push(builder.close())
    expect(await worker.log(chunks.map((chunk) => chunk ?? expect.fail('no chunk')))).toEqual(['ok', 'ok', 'ok'])
    expect(await worker.finished(key, builder.closedTotals)).toBe('ok')
    expect((await worker.seal(key, builder.closedTotals))?.state).toBe('sealed')

    const { instanceId } = key
    const whole = [
      [0, 'before', undefined],
      [1, bytes.toString(), 3],
      [2, 'of stderr', undefined],
      [5, 'after', undefined],
    ]
    const shown = ({ lines }: { lines: LogPage['lines'] }) => lines.map(({ n, text, pieces: count, cut }) => (cut === true ? 'cut' : [n, text, count]))
    expect(shown(await logPage(api, instanceId))).toEqual(whole)
    expect(shown(await logPage(api, instanceId, 'order=desc'))).toEqual(whole.toReversed())
    expect(shown(await logPage(api, instanceId, 'stream=stdout'))).toEqual(whole.toSpliced(2, 1))
    const first = await logPage(api, instanceId, 'from=3&limit=1')
    expect([shown(first), first.next]).toEqual([[[3, Buffer.concat([Buffer.from(two), Buffer.from(three)]).toString(), 2]], 5])
    expect((await logPage(api, instanceId, 'pieces=true')).lines.map(({ n, cut }) => [n, cut === true])).toEqual(
      [0, 1, 2, 3, 4, 5].map((n) => [n, n === 1 || n === 3]),
    )
    const stamp = '2023-11-14T22:13:20.000Z '
    expect((await rawLog(api, instanceId, 'timestamps=true')).toString()).toBe(whole.map(([, text]) => `${stamp}${text}\n`).join(''))
    const jsonl = (await rawLog(api, instanceId, 'format=jsonl')).toString().trimEnd().split('\n')
    expect(jsonl.map((line) => JSON.parse(line) as { n: number; text: string }).map(({ n, text }) => [n, text])).toEqual(whole.map(([n, text]) => [n, text]))
    const found = await api.get(`/api/instances/${instanceId}/logs/search?q=needle`, LogSearchPage)
    expect(found.matches.map((match) => [match.n, match.at, match.line?.pieces])).toEqual([[1, [[40_001, 40_007]], 3]])
    expect((await follow(instanceId)).length).toBe(7)
  })

  test('that is damaged in the database is shown as far as it goes, with the damage named, by every reader', async () => {
    const key = await newAttempt(worker)
    const log = makeLog(key, 200)
    await deliver([log.chunks])
    expect(await worker.finished(key, log.totals)).toBe('ok')
    expect((await worker.seal(key, log.totals))?.state).toBe('sealed')
    const { header, data } = log.chunks[1] ?? expect.fail('too few chunks')
    const stored = (await cluster().database()).collection<{ _id: object; body: Binary; encoding: string; bytes: number; offset: number; count: number }>(
      'log_chunks',
    )
    const of = { '_id.instance': storedIds([key.instanceId]), '_id.n': header.n }
    const rotten = Buffer.from(data)
    rotten.fill(0xff, 0, 20)
    for (const change of [{ body: new Binary(rotten) }, { encoding: 'br' }, { bytes: header.bytes + 3 }, { count: header.count }]) {
      const before = await stored.findOneAndUpdate(of, { $set: change })
      const isHurt = !('count' in change)
      const page = await logPage(api, key.instanceId, 'limit=1000')
      expect(page.lines.map(({ n }) => n)).toEqual(Array.from({ length: 200 }, (_, n) => n))
      expect(page.lines.at(-1)?.text).toBe(lineText(SEED, 199))
      if (isHurt && !('bytes' in change)) expect(page.lines[header.n]).toMatchObject({ stream: 'system', text: expect.stringContaining('damaged') })
      const raw = (await rawLog(api, key.instanceId)).toString()
      expect(raw.endsWith(`${lineText(SEED, 199)}\n`)).toBe(true)
      // A wrong number of bytes alone hurts no text.
      expect(raw.includes('damaged')).toBe(isHurt && !('bytes' in change))
      const found = await api.get(`/api/instances/${key.instanceId}/logs/search?q=${encodeURIComponent(lineText(SEED, 199))}`, LogSearchPage)
      expect(found.matches.map(({ n }) => n)).toEqual([199])
      const followed = await follow(key.instanceId)
      expect([followed.length, followed.at(-1)?.event]).toEqual([201, 'end'])
      expect((await verify(key.instanceId)).valid).toBe(!isHurt)
      if (before === null) expect.fail('no such chunk')
      await stored.replaceOne(of, before)
    }
    // A chunk that is gone is no reason to break off without a word.
    await stored.deleteOne(of)
    const followed = await follow(key.instanceId)
    expect(followed.at(-1)).toMatchObject({ event: 'error', data: expect.stringContaining(`Line ${header.n} of the log`) })
  })
})
