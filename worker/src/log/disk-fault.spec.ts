import { randomBytes, randomUUID } from 'node:crypto'
import { type FileHandle, mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LogPipeline } from './pipeline.js'
import { FILE_MODE, WRITE_FLAGS } from './spool-file.js'
import { FakeServer } from './testing/fake-server.js'

const NO_LIMITS = { maxLines: 0, maxBytes: 0, onPressure: 'block' } as const

let dir: string
let server: FakeServer
let faults: string[]
let pipeline: LogPipeline
let key: AttemptKey
/** What the disk answers to the next writes; undefined: it takes them. */
let refusal: string | undefined

/** A file on a disk that refuses to open it or to write to it, as it is told. */
async function openFile(path: string): Promise<FileHandle> {
  const refuse = (): void => {
    if (refusal !== undefined) throw Object.assign(new Error(`${refusal}: write`), { code: refusal })
  }
  if (refusal === 'EMFILE') refuse()
  const handle = await open(path, WRITE_FLAGS, FILE_MODE)
  return new Proxy(handle, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...given: unknown[]): unknown => {
        if (name === 'writev' && refusal === 'a part') return Promise.resolve({ bytesWritten: 1 })
        if (name === 'writev') refuse()
        return Reflect.apply(value, target, given)
      }
    },
  })
}

const openPipeline = (): Promise<LogPipeline> =>
  LogPipeline.open({ dir, limitBytes: 2 ** 30, transport: server, openFile, onFault: (error, what) => faults.push(`${what}: ${String(error)}`) })
const until = (condition: () => unknown): Promise<unknown> => vi.waitUntil(condition, { timeout: 10_000, interval: 5 })
const noise = Array.from({ length: 100 }, () => randomBytes(30_000).toString('base64'))
const texts = (): string[] => server.lines(key).map(({ text }) => text.toString())
const spoolFiles = (): Promise<string[]> => readdir(join(dir, 'streams'))
const losses = () => server.sealed.get(attemptKeyString(key))?.losses

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'jobtrail-log-'))
  server = new FakeServer()
  faults = []
  refusal = undefined
  key = { instanceId: randomUUID(), task: 0, attempt: 1 }
  pipeline = await openPipeline()
})
afterEach(async () => {
  refusal = undefined
  await pipeline.close()
  await rm(dir, { recursive: true, force: true })
})

describe.each(['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'EROFS', 'a part'])('a disk that answers %s', (code) => {
  it('keeps no line from the server, and no end back', async () => {
    pipeline.connected()
    refusal = code
    const stream = pipeline.openStream(key, NO_LIMITS, undefined)
    const pipe = new PassThrough()
    stream.capture(pipe, 'stdout')
    for (const line of noise) if (!pipe.write(`${line}\n`)) await new Promise((resolve) => pipe.once('drain', resolve))
    pipe.end()
    const totals = await stream.end(1_000)
    expect(await pipeline.drained(10_000)).toBe(true)
    expect(totals.lines).toBe(noise.length)
    expect(texts()).toEqual(noise)
    expect(losses()).toEqual([])
    expect(faults.length).toBeGreaterThan(0)
  })
})

it('a full disk without a connection makes the producer wait, holds no end back, and all is delivered later', async () => {
  refusal = 'ENOSPC'
  const stream = pipeline.openStream(key, NO_LIMITS, undefined)
  let written = 0
  while (written < noise.length && stream.write('stdout', Buffer.from(`${noise[written] ?? ''}\n`))) {
    written++
    await new Promise((resolve) => setImmediate(resolve))
  }
  written++
  expect(written).toBeLessThan(noise.length)
  await stream.end(0)
  expect(pipeline.unackedBytes).toBeGreaterThan(0)
  pipeline.connected()
  expect(await pipeline.drained(15_000)).toBe(true)
  expect(texts()).toEqual(noise.slice(0, written))
})

it('a disk that becomes full is freed of what servers have, and is used again when it takes it', async () => {
  pipeline.connected()
  const stream = pipeline.openStream(key, NO_LIMITS, undefined)
  const write = async (from: number, to: number): Promise<void> => {
    for (const line of noise.slice(from, to)) {
      stream.write('stdout', Buffer.from(`${line}\n`))
      await stream.writable()
    }
    await until(() => server.lines(key).length === to)
  }
  await write(0, 30)
  expect(await spoolFiles()).toHaveLength(1)
  refusal = 'ENOSPC'
  await write(30, 60)
  await until(async () => (await spoolFiles()).length === 0)
  refusal = undefined
  await write(60, 90)
  expect(await spoolFiles()).toHaveLength(1)
  // What a worker that dies now leaves behind is brought to its end.
  await pipeline.close()
  pipeline = await openPipeline()
  pipeline.connected()
  expect(await pipeline.drained(10_000)).toBe(true)
  expect(texts()).toEqual([...noise.slice(0, 90), expect.stringContaining('the worker died here')])
  expect(losses()).toMatchObject([{ reason: 'worker-died', at: 90 }])
})
