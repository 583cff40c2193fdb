import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Assignment } from '@jobtrail/protocol/wire/assignment'
import type { AttemptEnd } from '@jobtrail/protocol/wire/worker'
import type { StreamTotals } from '@jobtrail/protocol/log/chunk'
import { attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import pino, { type Logger } from 'pino'
import type { Side, StreamLog } from '../log/stream-log.js'
import type { RunContext } from '../run/runner.js'

/** Builders for specs. */
export const silentLog: Logger = pino({ level: 'silent' })

export const emptyTotals: StreamTotals = { chunks: 0, lines: 0, bytes: 0, digest: '0'.repeat(64) }

/** Of this process only: what ends all that carries the mark of an attempt must not meet the attempt of another spec that runs at the same time. */
const OF_THIS_PROCESS = process.pid.toString(16).padStart(8, '0')

export const instanceIdOf = (n: number): string => `${OF_THIS_PROCESS}-0000-7000-8000-${String(n).padStart(12, '0')}`

export const sampleAssignment = (changes: Partial<Assignment> = {}): Assignment => ({
  instanceId: instanceIdOf(1),
  task: 0,
  attempt: 1,
  namespace: 'default',
  jobId: instanceIdOf(0),
  jobName: 'nightly',
  revision: 1,
  scheduledFor: '2026-01-01T00:00:00.000Z',
  processor: { kind: 'shell', script: 'true' },
  params: {},
  secrets: {},
  timeoutMs: 0,
  killGraceMs: 100,
  log: { maxLines: 0, maxBytes: 0, onPressure: 'block' },
  ...changes,
})

export const sampleEnd = (n: number, changes: Partial<AttemptEnd> = {}): AttemptEnd => ({
  instanceId: instanceIdOf(n),
  task: 0,
  attempt: 1,
  status: 'SUCCEEDED',
  startedAt: 1,
  finishedAt: 2,
  exitCode: 0,
  signal: null,
  error: null,
  result: null,
  log: emptyTotals,
  ...changes,
})

/** A stream that keeps everything in memory. */
export class MemoryStream implements StreamLog {
  readonly text: Record<Side, string> = { stdout: '', stderr: '' }
  private readonly pipes: Promise<void>[] = []
  readonly cuts: string[] = []
  hasRoom = true
  whenWritable: Promise<void> = Promise.resolve()

  capture(readable: NodeJS.ReadableStream, side: Side): void {
    readable.on('data', (bytes: Buffer) => (this.text[side] += bytes.toString()))
    this.pipes.push(new Promise((resolve) => readable.once('close', () => resolve())))
  }

  write(side: Side, bytes: Buffer): boolean {
    this.text[side] += bytes.toString()
    return this.hasRoom
  }

  cutOff(text: string): void {
    this.cuts.push(text)
  }

  writable(): Promise<void> {
    return this.whenWritable
  }

  async end(graceMs: number): Promise<StreamTotals> {
    let timer: NodeJS.Timeout | undefined
    const grace = new Promise((resolve) => (timer = setTimeout(resolve, graceMs)))
    await Promise.race([Promise.all(this.pipes), grace])
    clearTimeout(timer)
    return emptyTotals
  }
}

/** A run context that notes what it is told. */
export function sampleContext(assignment: Assignment): RunContext & { stream: MemoryStream; events: string[] } {
  const events: string[] = []
  return {
    assignment,
    key: attemptKeyString(assignment),
    stream: new MemoryStream(),
    events,
    onStarted: () => events.push('started'),
    onProgress: (percent, message) => events.push(`${percent} ${message}`),
  }
}

/** A temporary folder and its removal. */
export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'jobtrail-worker-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}
