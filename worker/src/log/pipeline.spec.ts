import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { AttemptKey } from '@jobtrail/shared/domain/attempt-key'
import { attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { joinLines } from '@jobtrail/shared/log/codec'
import { LineFlag } from '@jobtrail/shared/log/chunk'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LogPipeline } from './pipeline.js'
import { FakeServer } from './testing/fake-server.js'

const NO_LIMITS = { maxLines: 0, maxBytes: 0, onPressure: 'block' } as const
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
  it('arrives as it was written, is sealed, and leaves no file', async () => {
    pipeline.connected()
    const key = newKey()
    const log = pipeline.openStream(key, NO_LIMITS, [])
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
    const totals = await pipeline.openStream(newKey(), NO_LIMITS, []).end(0)
    expect(totals).toMatchObject({ chunks: 0, lines: 0, bytes: 0 })
    expect(await pipeline.drained(10)).toBe(true)
    expect(server.messages).toEqual([])
    expect(await spoolFiles()).toEqual([])
  })

  it('sends a first line at once', async () => {
    pipeline.connected()
    const key = newKey()
    const log = pipeline.openStream(key, NO_LIMITS, [])
    const startedAt = performance.now()
    log.write('stdout', Buffer.from('hello\n'))
    await until(() => server.lines(key).length === 1)
    expect(performance.now() - startedAt).toBeLessThan(60)
    await log.end(0)
  })
})
