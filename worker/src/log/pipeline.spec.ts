import { spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { joinLines } from '@jobtrail/protocol/log/codec'
import { LineFlag } from '@jobtrail/protocol/log/chunk'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LogPipeline } from './pipeline.js'
import { FakeServer } from './testing/fake-server.js'

const NO_LIMITS = { maxLines: 0, maxBytes: 0, onPressure: 'block' } as const
const WORKER_DIED = '[jobtrail] the worker died here; output after this line may be missing'
const newKey = (): AttemptKey => ({ instanceId: randomUUID(), task: 0, attempt: 1 })

let dir: string
let server: FakeServer
let faults: string[]
let pipeline: LogPipeline

const openPipeline = (limitBytes = 2 ** 30): Promise<LogPipeline> =>
  LogPipeline.open({ dir, limitBytes, transport: server, onFault: (error, what) => faults.push(`${what}: ${String(error)}`) })
const textOf = (key: AttemptKey, flag = 0): string => joinLines(server.lines(key).filter((line) => (line.flags & LineFlag.STDERR) === flag)).toString()
const spoolFiles = (): Promise<string[]> => readdir(join(dir, 'streams'))
const until = (condition: () => unknown): Promise<unknown> => vi.waitUntil(condition, { timeout: 5_000, interval: 5 })

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'jobtrail-log-'))
  server = new FakeServer()
  faults = []
  pipeline = await openPipeline()
})
afterEach(async () => {
  await pipeline.close()
  await rm(dir, { recursive: true, force: true })
})

describe('a log stream', () => {
  it('writes, removes and sends nothing any more once the folder has a new owner, and still comes to its end', async () => {
    const [known, fresh] = [newKey(), newKey()].map((key) => pipeline.openStream(key, NO_LIMITS, undefined))
    known?.write('stdout', Buffer.from('mine\n'))
    await until(async () => (await spoolFiles()).length === 1)
    const path = join(dir, 'streams', (await spoolFiles())[0] ?? '')
    // What is already being written cannot be taken back.
    await until(async () => (await readFile(path, 'utf8')).includes('mine'))
    pipeline.abandon()
    await writeFile(path, 'of the new owner')
    for (const log of [known, fresh]) log?.write('stdout', Buffer.from('late\n'))
    pipeline.connected()
    await Promise.all([known?.end(100), fresh?.end(100)])
    await pipeline.close()
    expect(await spoolFiles()).toHaveLength(1)
    expect(await readFile(path, 'utf8')).toBe('of the new owner')
    expect(faults).toEqual([])
  })

  it('arrives as it was written, is sealed, and leaves no file', async () => {
    pipeline.connected()
    const key = newKey()
    const log = pipeline.openStream(key, NO_LIMITS, undefined)
    const [stdout, stderr] = [new PassThrough(), new PassThrough()]
    log.capture(stdout, 'stdout')
    log.capture(stderr, 'stderr')
    for (let i = 0; i < 5_000; i++) stdout.write(`line ${i} é日本😀\n`)
    stderr.end('warning\nno newline')
    stdout.end()
    const totals = await log.end(1_000)
    expect(totals.lines).toBe(5_002)
    expect(await pipeline.drained(5_000)).toBe(true)
    expect(textOf(key)).toBe(Array.from({ length: 5_000 }, (_, i) => `line ${i} é日本😀\n`).join(''))
    expect(textOf(key, LineFlag.STDERR)).toBe('warning\nno newline')
    expect(server.sealed.get(attemptKeyString(key))).toEqual(totals)
    await until(async () => (await spoolFiles()).length === 0)
    expect(faults).toEqual([])
  })

  it('costs neither a file nor a message without output', async () => {
    pipeline.connected()
    const totals = await pipeline.openStream(newKey(), NO_LIMITS, undefined).end(0)
    expect(totals).toMatchObject({ chunks: 0, lines: 0, bytes: 0 })
    expect(await pipeline.drained(10)).toBe(true)
    expect(server.messages).toEqual([])
    expect(await spoolFiles()).toEqual([])
  })
})

const manyLines = (from: number, count: number): Buffer => Buffer.from(Array.from({ length: count }, (_, i) => `${from + i}\n`).join(''))
/** One full chunk of text that does not compress. */
const noise = (n: number): Buffer =>
  Buffer.from(
    Array.from({ length: 500 }, (_, i) => `${n}.${i} ${randomUUID()}${randomUUID()}${randomUUID()}\n`)
      .join('')
      .repeat(2),
  )

describe('delivery', () => {
  it('goes on after failures, busy answers and lost acknowledgements, each line once', async () => {
    const key = newKey()
    let calls = 0
    let chunks = 0
    server.decide = () => (chunks++ % 5 === 1 ? 'busy' : undefined)
    const log = server.log.bind(server)
    // Every second message is stored, but its answer is lost.
    server.log = async (message, bodies) => {
      const reply = await log(message, bodies)
      if (++calls % 2 === 0) throw new Error('time-out')
      return reply
    }
    pipeline.connected()
    const stream = pipeline.openStream(key, NO_LIMITS, undefined)
    for (let i = 0; i < 30; i++) stream.write('stdout', manyLines(i * 1_000, 1_000))
    await stream.end(0)
    expect(await pipeline.drained(10_000)).toBe(true)
    expect(textOf(key)).toBe(manyLines(0, 30_000).toString())
    expect(faults.length).toBeGreaterThan(0)
  })

  it('sends after a reconnect only what is not stored', async () => {
    const key = newKey()
    const stream = pipeline.openStream(key, NO_LIMITS, undefined)
    for (let i = 0; i < 5; i++) stream.write('stdout', manyLines(i * 1_000, 1_000))
    pipeline.connected()
    await until(() => server.chunks(key).length === 5)
    server.isConnected = false
    pipeline.disconnected()
    for (let i = 5; i < 8; i++) stream.write('stdout', manyLines(i * 1_000, 1_000))
    const totals = await stream.end(0)
    server.messages.length = 0
    server.isConnected = true
    pipeline.connected()
    expect(await pipeline.drained(5_000)).toBe(true)
    expect(server.messages.flatMap(({ chunks }) => chunks.map(({ n }) => n)).toSorted((a, b) => a - b)).toEqual([5_000, 6_000, 7_000])
    expect(server.sealed.get(attemptKeyString(key))).toEqual(totals)
  })

  it('takes acknowledgements in any order', async () => {
    const key = newKey()
    server.delay = () => new Promise((resolve) => setTimeout(resolve, Math.random() * 20))
    pipeline.connected()
    const stream = pipeline.openStream(key, NO_LIMITS, undefined)
    for (let i = 0; i < 40; i++) {
      stream.write('stdout', noise(i))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await stream.end(0)
    expect(await pipeline.drained(10_000)).toBe(true)
    expect(server.lines(key).length).toBe(40_000)
    expect(faults).toEqual([])
  })

  it('is sealed over the next connection when the one before ends meanwhile', async () => {
    const key = newKey()
    const log = pipeline.openStream(key, NO_LIMITS, undefined)
    pipeline.connected()
    server.decideSeal = () => {
      pipeline.disconnected()
      throw new Error('cut off')
    }
    log.write('stdout', Buffer.from('all of it\n'))
    const totals = await log.end(100)
    await until(() => server.sealCalls === 1)
    server.decideSeal = () => undefined
    pipeline.connected()
    await until(() => server.sealed.size === 1)
    expect(server.sealed.get(attemptKeyString(key))).toEqual(totals)
  })

  it('sends again from the spool what is missing at the seal', async () => {
    const key = newKey()
    pipeline.connected()
    const stream = pipeline.openStream(key, NO_LIMITS, undefined)
    for (let i = 0; i < 6; i++) stream.write('stdout', manyLines(i * 1_000, 1_000))
    await until(() => server.chunks(key).length === 6)
    server.streams.get(attemptKeyString(key))?.delete(1_000)
    server.streams.get(attemptKeyString(key))?.delete(4_000)
    server.messages.length = 0
    await stream.end(0)
    expect(await pipeline.drained(5_000)).toBe(true)
    expect(server.messages.flatMap(({ chunks }) => chunks.map(({ n }) => n)).toSorted((a, b) => a - b)).toEqual([1_000, 4_000])
    expect(textOf(key)).toBe(manyLines(0, 6_000).toString())
    expect(faults).toEqual([])
  })

  it.each(['conflict', 'refused'] as const)('sets a stream aside after %s, reports it once, and delivers the others', async (answer) => {
    const [bad, good] = [newKey(), newKey()]
    server.decide = ({ instanceId }) => (instanceId === bad.instanceId ? answer : undefined)
    pipeline.connected()
    const streams = [bad, good].map((key) => pipeline.openStream(key, NO_LIMITS, undefined))
    for (let i = 0; i < 5; i++) for (const stream of streams) stream.write('stdout', manyLines(i * 1_000, 1_000))
    await Promise.all(streams.map((stream) => stream.end(0)))
    expect(await pipeline.drained(5_000)).toBe(true)
    expect(textOf(good)).toBe(manyLines(0, 5_000).toString())
    expect(faults.length).toBe(1)
    await until(async () => (await spoolFiles()).length === 0 && (await readdir(join(dir, 'rejected'))).length === 1)
  })

  it('does not let a loud stream keep a quiet one waiting', async () => {
    const [loud, quiet] = [newKey(), newKey()]
    const loudStream = pipeline.openStream(loud, NO_LIMITS, undefined)
    for (let i = 0; i < 60; i++) loudStream.write('stdout', noise(i))
    pipeline.openStream(quiet, NO_LIMITS, undefined).write('stdout', Buffer.from('hello\n'))
    await until(async () => (await spoolFiles()).length === 2)
    pipeline.connected()
    await until(() => server.chunks(quiet).length === 1)
    const first = server.messages.findIndex(({ chunks }) => chunks.some(({ instanceId }) => instanceId === quiet.instanceId))
    expect(first).toBeLessThan(3)
    await until(() => server.lines(loud).length === 60_000)
  })

  it('puts the chunks of many quiet streams in few messages', async () => {
    const keys = Array.from({ length: 200 }, newKey)
    server.delay = () => new Promise((resolve) => setTimeout(resolve, 10))
    const streams = keys.map((key) => pipeline.openStream(key, NO_LIMITS, undefined))
    pipeline.connected()
    for (const stream of streams) stream.write('stdout', Buffer.from('hello\n'))
    await Promise.all(streams.map((stream) => stream.end(0)))
    expect(await pipeline.drained(5_000)).toBe(true)
    expect(server.sealed.size).toBe(200)
    expect(server.messages.length).toBeLessThan(40)
    expect(server.sealCalls).toBeLessThan(40)
  })
})

describe('recovery', () => {
  const capture = async (key: AttemptKey, chunks: number, isEnded: boolean): Promise<void> => {
    const stream = pipeline.openStream(key, NO_LIMITS, undefined)
    for (let i = 0; i < chunks; i++) stream.write('stdout', manyLines(i * 1_000, 1_000))
    if (isEnded) await stream.end(0)
    await pipeline.close()
  }

  it.each([true, false])('delivers and seals what a former process captured (ended: %s)', async (isEnded) => {
    const key = newKey()
    await capture(key, 4, isEnded)
    pipeline = await openPipeline()
    pipeline.connected()
    expect(await pipeline.drained(5_000)).toBe(true)
    expect(textOf(key)).toBe(manyLines(0, 4_000).toString() + (isEnded ? '' : `${WORKER_DIED}\n`))
    expect(faults).toEqual([])
  })

  it('cuts a torn end off, wherever it is torn', async () => {
    const key = newKey()
    await capture(key, 3, false)
    const [name = ''] = await spoolFiles()
    const path = join(dir, 'streams', name)
    const bytes = await readFile(path)
    for (const size of [bytes.length - 1, bytes.length - 2_000, bytes.length - 2_100]) {
      server = new FakeServer()
      await writeFile(path, bytes.subarray(0, size))
      pipeline = await openPipeline()
      pipeline.connected()
      expect(await pipeline.drained(5_000)).toBe(true)
      expect(textOf(key)).toBe(`${manyLines(0, 2_000).toString()}${WORKER_DIED}\n`)
      await pipeline.close()
    }
    expect(faults.length).toBe(3)
  })

  it('moves aside what is no spool file and starts', async () => {
    await pipeline.close()
    await writeFile(join(dir, 'streams', 'junk'), 'x')
    await writeFile(join(dir, 'streams', `${attemptKeyString(newKey())}.0`), Buffer.alloc(5_000, 7))
    pipeline = await openPipeline()
    expect(faults.length).toBe(2)
    expect((await readdir(join(dir, 'rejected'))).length).toBe(2)
  })

  it('forgets streams that the server no longer knows', async () => {
    await capture(newKey(), 1, true)
    server.resume = ({ streams }) => Promise.resolve({ results: streams.map(() => ({ state: 'unknown', ranges: [] })) })
    pipeline = await openPipeline()
    pipeline.connected()
    expect(await pipeline.drained(5_000)).toBe(true)
    await until(async () => (await spoolFiles()).length === 0)
    expect(server.messages).toEqual([])
  })
})

describe('pressure', () => {
  const LIMIT = 1024 * 1024
  beforeEach(async () => {
    await pipeline.close()
    pipeline = await openPipeline(LIMIT)
  })

  it('makes the writer wait while the spool is full, and loses nothing', async () => {
    const key = newKey()
    const stream = pipeline.openStream(key, NO_LIMITS, undefined)
    let written = 0
    const pipe = Readable.from(
      (function* () {
        for (; written < 60; written++) yield noise(written)
      })(),
      { objectMode: false },
    )
    stream.capture(pipe, 'stdout')
    await until(() => pipe.isPaused())
    expect(written).toBeLessThan(40)
    const stoppedAt = written
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(written).toBe(stoppedAt)
    expect(pipeline.spoolBytes).toBeLessThan(LIMIT * 1.3)
    pipeline.connected()
    const totals = await stream.end(100)
    expect(totals.lines).toBe(60_000)
    expect(await pipeline.drained(10_000)).toBe(true)
    expect(server.lines(key).length).toBe(60_000)
    expect(faults).toEqual([])
  })

  it('lets a quiet stream write while loud ones are stopped', async () => {
    await pipeline.close()
    pipeline = await openPipeline(4 * LIMIT)
    const loud = [newKey(), newKey()].map((key) => pipeline.openStream(key, NO_LIMITS, undefined))
    for (const stream of loud) for (let i = 0; stream.write('stdout', noise(i)); i++) await new Promise((resolve) => setImmediate(resolve))
    expect(pipeline.openStream(newKey(), NO_LIMITS, undefined).write('stdout', Buffer.from('hello\n'))).toBe(true)
  })

  it('leaves lines out when the job says so, and says how many', async () => {
    const key = newKey()
    const stream = pipeline.openStream(key, { ...NO_LIMITS, onPressure: 'drop' }, undefined)
    for (let i = 0; i < 60; i++) {
      expect(stream.write('stdout', noise(i))).toBe(true)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    expect(pipeline.spoolBytes).toBeLessThan(LIMIT * 1.3)
    const totals = await stream.end(0)
    pipeline.connected()
    expect(await pipeline.drained(10_000)).toBe(true)
    const lines = server.lines(key)
    const left = lines
      .filter(({ flags }) => (flags & LineFlag.MARKER) !== 0)
      .map(({ text }) => Number(/full: ([\d,]+) line/.exec(text.toString())?.[1]?.replaceAll(',', '')))
    expect(left.length).toBeGreaterThan(0)
    expect(totals.lines).toBe(lines.length)
    expect(left.reduce((sum, count) => sum + count, lines.length - left.length)).toBe(60_000)
  })

  it('keeps what a handler prints without ever waiting, and not in memory', async () => {
    await pipeline.close()
    pipeline = await openPipeline(2 ** 30)
    pipeline.connected()
    const key = newKey()
    const stream = pipeline.openStream(key, NO_LIMITS, undefined)
    for (let i = 0; i < 200; i++) stream.write('stdout', randomBytes(100_000))
    const size = (await Promise.all((await spoolFiles()).map((name) => stat(join(dir, 'streams', name))))).reduce((sum, file) => sum + file.size, 0)
    expect(size).toBeGreaterThan(8 * 1024 * 1024)
    const totals = await stream.end(0)
    expect(totals.bytes).toBe(20_000_000)
    expect(await pipeline.drained(10_000)).toBe(true)
    expect(joinLines(server.lines(key)).length).toBe(20_000_000)
    expect(faults).toEqual([])
  })

  it('tells what is not acknowledged from what it keeps until the stream is sealed', async () => {
    const key = newKey()
    const stream = pipeline.openStream(key, NO_LIMITS, undefined)
    stream.write('stdout', noise(1))
    await until(() => pipeline.spoolBytes > 0)
    await until(() => pipeline.unackedBytes > 0)
    expect(pipeline.unackedBytes).toBeLessThan(pipeline.spoolBytes)
    pipeline.connected()
    await until(() => pipeline.unackedBytes === 0)
    expect(server.lines(key).length).toBe(1_000)
    expect(pipeline.spoolBytes).toBeGreaterThan(0)
    await stream.end(0)
    expect(await pipeline.drained(10_000)).toBe(true)
    expect(pipeline.spoolBytes).toBe(0)
  })

  it('drops acknowledged parts of a long log from the spool', async () => {
    const key = newKey()
    pipeline.connected()
    const stream = pipeline.openStream(key, NO_LIMITS, undefined)
    for (let i = 0; i < 60; i++) {
      if (!stream.write('stdout', noise(i))) await stream.writable()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await stream.end(0)
    expect(pipeline.spoolBytes).toBeLessThan(LIMIT)
    expect(await pipeline.drained(10_000)).toBe(true)
    expect(server.lines(key).length).toBe(60_000)
    expect(faults).toEqual([])
  })
})

describe('a pipe', () => {
  it('held open by a grandchild is read for the time of grace, then closed', async () => {
    const key = newKey()
    pipeline.connected()
    const stream = pipeline.openStream(key, NO_LIMITS, undefined)
    const child = spawn('sh', ['-c', '(sleep 0.1; echo late; sleep 5; echo never) & echo early'], { stdio: ['ignore', 'pipe', 'pipe'] })
    stream.capture(child.stdout, 'stdout')
    stream.capture(child.stderr, 'stderr')
    await once(child, 'exit')
    await stream.end(400)
    expect(await pipeline.drained(5_000)).toBe(true)
    const CUT = '[jobtrail] output that was still held open after the end of the process was cut off'
    expect(textOf(key)).toBe(`early\nlate\n${CUT}\n`)
    expect(server.sealed.get(attemptKeyString(key))?.losses).toEqual([{ reason: 'cut-off', at: 2, lines: null, bytes: null }])
  })
})
