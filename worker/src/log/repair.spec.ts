import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { LineFlag, type StreamTotals } from '@jobtrail/protocol/log/chunk'
import type { LogMessage } from '@jobtrail/protocol/wire/worker'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LogPipeline } from './pipeline.js'
import { readFrames } from './spool-format.js'
import { FakeServer } from './testing/fake-server.js'

const NO_LIMITS = { maxLines: 0, maxBytes: 0, onPressure: 'block' } as const
const DIED = '[jobtrail] the worker died here; output after this line may be missing'
const PER_CHUNK = 1_000

let dir: string
let server: FakeServer
let faults: string[]
let pipeline: LogPipeline | undefined
let key: AttemptKey

const openPipeline = async (begun: AttemptKey[] = []): Promise<LogPipeline> =>
  (pipeline = await LogPipeline.open({
    begun,
    dir,
    limitBytes: 2 ** 30,
    transport: server,
    onFault: (error, what) => faults.push(`${what}: ${String(error)}`),
  }))
const until = (condition: () => unknown): Promise<unknown> => vi.waitUntil(condition, { timeout: 5_000, interval: 5 })
const lineAt = (n: number): string => `line ${n} {"type":"chunk","header":{}} of a log`
const numbered = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => lineAt(from + i))
const texts = (): string[] => server.lines(key).map(({ text }) => text.toString())
const markers = (): string[] => server.lines(key).flatMap(({ flags, text }) => ((flags & LineFlag.MARKER) === 0 ? [] : [text.toString()]))
const sealed = (): StreamTotals | undefined => server.sealed.get(attemptKeyString(key))
const spoolFile = (seq = 0): string => join(dir, 'streams', `${attemptKeyString(key)}.${seq}`)

/** Captures `chunks` × 1,000 lines without a connection, and leaves them to the next process. */
async function capture(chunks: number, isEnded: boolean): Promise<void> {
  const former = await openPipeline()
  const stream = former.openStream(key, NO_LIMITS, undefined)
  for (let i = 0; i < chunks; i++) stream.write('stdout', Buffer.from(`${numbered(i * PER_CHUNK, (i + 1) * PER_CHUNK).join('\n')}\n`))
  if (isEnded) await stream.end(0)
  await former.close()
}

/** Changes one byte of the file, in chunk `n`'s prefix, record or body. */
async function damage(n: number, part: 'prefix' | 'record' | 'body'): Promise<void> {
  const bytes = await readFile(spoolFile())
  const frame = [...readFrames(bytes)].filter(({ record }) => record.type === 'chunk')[n]
  if (frame === undefined) throw new Error(`no chunk ${n}`)
  const at = part === 'prefix' ? frame.start + 1 : part === 'record' ? frame.start + 60 : frame.end - 5
  bytes[at] = (bytes[at] ?? 0) ^ 1
  await writeFile(spoolFile(), bytes)
}

/** What a server was sent of chunks that `isTaken` says, as an earlier process would have sent them. */
async function store(isTaken: (n: number) => boolean): Promise<void> {
  for (const { record, body } of readFrames(await readFile(spoolFile()))) {
    if (record.type !== 'chunk' || !isTaken(record.header.n / PER_CHUNK)) continue
    const message: LogMessage = { chunks: [record.header] }
    await server.log(message, body)
  }
}

async function deliver(begun: AttemptKey[] = []): Promise<void> {
  const next = await openPipeline(begun)
  next.connected()
  expect(await next.drained(5_000)).toBe(true)
  await until(async () => (await readdir(join(dir, 'streams'))).length === 0)
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'jobtrail-log-'))
  server = new FakeServer()
  faults = []
  key = { instanceId: randomUUID(), task: 0, attempt: 1 }
})
afterEach(async () => {
  await pipeline?.close()
  await rm(dir, { recursive: true, force: true })
})

describe('a stream whose worker died', () => {
  it('ends with a marker line and says what may be missing', async () => {
    await capture(2, false)
    await deliver()
    expect(texts()).toEqual([...numbered(0, 2_000), DIED])
    expect(markers()).toEqual([DIED])
    expect(sealed()).toMatchObject({ lines: 2_001, chunks: 3, losses: [{ reason: 'worker-died', at: 2_000, lines: null, bytes: null }] })
  })

  it('is ended too when nothing of it had come into the spool, and not once more when the server has it sealed', async () => {
    await deliver([key])
    expect(texts()).toEqual([DIED])
    expect(sealed()).toMatchObject({ lines: 1, losses: [{ reason: 'worker-died', at: 0, lines: null, bytes: null }] })
    await pipeline?.close()
    await deliver([key])
    expect(texts()).toEqual([DIED])
    expect(faults).toEqual([])
  })

  it('is ended once when it is known both from the spool and as begun', async () => {
    await capture(1, false)
    await deliver([key])
    expect(texts()).toEqual([...numbered(0, 1_000), DIED])
  })

  it('is whole when its end had been written', async () => {
    await capture(2, true)
    await deliver()
    expect(texts()).toEqual(numbered(0, 2_000))
    expect(sealed()).toMatchObject({ lines: 2_000, losses: [] })
  })

  it('gets its marker once, however often workers die before it is delivered', async () => {
    await capture(1, false)
    server.decideSeal = () => 'missing'
    const second = await openPipeline()
    second.connected()
    await until(() => server.sealCalls > 0)
    await second.close()
    server.decideSeal = () => undefined
    await deliver()
    expect(texts()).toEqual([...numbered(0, 1_000), DIED])
  })

  it('of which the server knows more than the disk has kept is sealed with what the server has', async () => {
    await capture(3, false)
    await store(() => true)
    const bytes = await readFile(spoolFile())
    const frames = [...readFrames(bytes)]
    await writeFile(spoolFile(), bytes.subarray(0, frames[2]?.end))
    await deliver()
    expect(texts()).toEqual(numbered(0, 3_000))
    expect(sealed()).toMatchObject({ lines: 2_000, losses: [{ reason: 'worker-died' }] })
    expect(await readdir(join(dir, 'rejected'))).toEqual([])
  })
})

describe('a damaged spool file', () => {
  const MARKER = /^\[jobtrail\] the worker's spool was damaged: 1,000 lines \([\d,]+ bytes\) are lost here$/

  it.each(['prefix', 'record', 'body'] as const)('costs what was in the chunk whose %s is damaged, and the log says where', async (part) => {
    await capture(4, true)
    await damage(1, part)
    await deliver()
    expect(texts()).toEqual([...numbered(0, 1_000), expect.stringMatching(MARKER), ...numbered(2_000, 4_000)])
    const bytes = Buffer.byteLength(`${numbered(1_000, 2_000).join('\n')}\n`)
    expect(sealed()).toMatchObject({ chunks: 4, lines: 3_001, losses: [{ reason: 'damaged', at: 1_000, lines: 1_000, bytes }] })
    expect(faults).toEqual([expect.stringContaining('damaged')])
  })

  it('that also lacks its end says both', async () => {
    await capture(3, false)
    await damage(0, 'body')
    await deliver()
    expect(texts()).toEqual([expect.stringMatching(MARKER), ...numbered(1_000, 3_000), DIED])
    expect(sealed()?.losses).toMatchObject([
      { reason: 'damaged', at: 0 },
      { reason: 'worker-died', at: 2_001 },
    ])
  })

  it('whose last chunk is damaged says so by its end record', async () => {
    await capture(2, true)
    await damage(1, 'record')
    await deliver()
    expect(texts()).toEqual([...numbered(0, 1_000), expect.stringMatching(MARKER)])
  })

  it('loses nothing that the server has already', async () => {
    await capture(4, true)
    await store((n) => n === 1)
    await damage(1, 'body')
    await deliver()
    expect(texts()).toEqual(numbered(0, 4_000))
    expect(sealed()).toMatchObject({ lines: 4_000, losses: [] })
  })

  it('delivers what is intact when later lines are stored already, and is not sealed', async () => {
    await capture(5, true)
    await store((n) => n === 3)
    await damage(1, 'body')
    await deliver()
    expect(server.chunks(key).map(({ header }) => header.n)).toEqual([0, 2_000, 3_000, 4_000])
    expect(sealed()).toBeUndefined()
    expect(await readdir(join(dir, 'rejected'))).toHaveLength(1)
    expect(faults.at(-1)).toContain('later ones are stored already')
  })

  it('that is damaged while the worker runs is repaired before anything behind is sent', async () => {
    await capture(4, true)
    const running = await openPipeline()
    expect(faults).toEqual([])
    await damage(2, 'body')
    running.connected()
    expect(await running.drained(5_000)).toBe(true)
    expect(texts()).toEqual([...numbered(0, 2_000), expect.stringMatching(MARKER), ...numbered(3_000, 4_000)])
    expect(sealed()?.losses).toMatchObject([{ reason: 'damaged', at: 2_000 }])
  })
})
