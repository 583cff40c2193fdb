import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { waitFor } from '@jobtrail/deploy/wait'
import type { AttemptKey } from '@jobtrail/shared/domain/attempt-key'
import type { Assignment } from '@jobtrail/shared/protocol/assignment'
import type { AttemptEnd } from '@jobtrail/shared/protocol/worker'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { attemptProcesses } from '../support/attempt-processes.js'
import { ServerDouble } from './server-double.js'
import { type Adapter, WorkerUnderTest } from './worker-under-test.js'

export const WAIT = { timeoutMs: 20_000, intervalMs: 20 }

type Options = Partial<Omit<Assignment, 'processor' | 'instanceId' | 'log'>> & { log?: Partial<Assignment['log']> }

/** An attempt of a job of its own. */
export function assignment(processor: Assignment['processor'], { log, ...more }: Options = {}): Assignment {
  return {
    ...{ instanceId: randomUUID(), task: 0, attempt: 1, namespace: 'default', jobId: randomUUID(), jobName: 'conformance', revision: 1, scheduledFor: null },
    ...{ processor, params: {}, secrets: {}, timeoutMs: 0, killGraceMs: 2_000, log: { maxLines: 0, maxBytes: 0, onPressure: 'block', ...log } },
    ...more,
  }
}

export const shell = (script: string, more: Options = {}): Assignment => assignment({ kind: 'shell', script }, more)
export const handler = (name: string, more: Options = {}): Assignment => assignment({ kind: 'handler', handler: name }, more)
/** In whichever of its two forms it came. */
export const resultOf = ({ result, resultText }: AttemptEnd): unknown => (resultText === undefined ? result : JSON.parse(resultText))
export const count = (lines: number): string[] => Array.from({ length: lines }, (_, i) => `line ${i}`)
/** Shell code that prints `line 0`, `line 1` and so on. */
export const printLines = (lines: number, between = ''): string => `i=0; while [ $i -lt ${lines} ]; do echo "line $i"; i=$((i + 1)); ${between} done`
export const isRunning = (key: AttemptKey): boolean => attemptProcesses(key.instanceId).length > 0

/** `isRefused`: the worker is not expected to connect. */
type BenchOptions = { leaseMs?: number; slots?: number; args?: readonly string[]; token?: string; isRefused?: boolean }

/** A worker and the server double that it is connected to. */
export class Bench {
  readonly dir = mkdtempSync(join(tmpdir(), 'jobtrail-conformance-'))
  private parts: { server: ServerDouble; worker: WorkerUnderTest } | undefined

  constructor(readonly adapter: Adapter) {}

  get server(): ServerDouble {
    return this.begun.server
  }

  get worker(): WorkerUnderTest {
    return this.begun.worker
  }

  private get begun(): { server: ServerDouble; worker: WorkerUnderTest } {
    if (this.parts === undefined) throw new Error('the bench has not begun')
    return this.parts
  }

  /** Starts both and, unless told otherwise, waits until they are connected. */
  async begin({ leaseMs = 6_000, slots = 4, args = [], token, isRefused = false }: BenchOptions = {}): Promise<void> {
    const server = await ServerDouble.start({ leaseMs })
    this.parts = { server, worker: new WorkerUnderTest(this.adapter, server.url, { slots, args, ...(token === undefined ? {} : { token }) }) }
    if (!isRefused) await server.hello()
  }

  log(): string {
    return this.parts?.worker.log() ?? ''
  }

  /** Throws when the worker did what no worker may do. */
  async end(): Promise<void> {
    const problems = this.parts?.server.problems ?? []
    await this.parts?.worker.remove()
    await this.parts?.server.close()
    rmSync(this.dir, { recursive: true, force: true })
    if (problems.length > 0) throw new Error(`What no worker may do:\n${problems.join('\n')}`)
  }

  /** Kills the worker process. */
  async kill(): Promise<void> {
    await this.worker.kill()
    this.server.forgetAccepted()
  }

  /** `wait`: shell code that waits until the test lets it go on. `file`: it exists when the gate is open. */
  gate(): { wait: string; file: string; open: () => void } {
    const file = join(this.dir, randomUUID())
    return { file, wait: `while [ ! -e '${file}' ]; do sleep 0.02; done`, open: () => writeFileSync(file, '') }
  }

  /** Shell code that tells that it got so far, and how to wait for it. */
  milestone(): { reach: string; reached: () => Promise<void> } {
    const file = join(this.dir, randomUUID())
    return { reach: `touch '${file}'`, reached: async () => void (await waitFor(() => existsSync(file), { ...WAIT, what: 'the script to get so far' })) }
  }

  /** Waits until this many lines of an attempt are stored. */
  async stored(key: AttemptKey, lines: number): Promise<void> {
    await waitFor(() => (this.server.logs.ranges(key)[0]?.to ?? 0) >= lines, { ...WAIT, what: `${lines} stored lines` })
  }

  /** Waits until nothing of these attempts runs any more. */
  async gone(...keys: AttemptKey[]): Promise<void> {
    await waitFor(() => !keys.some(isRunning), { ...WAIT, intervalMs: 50, what: 'the processes of the attempts to be gone' })
  }
}

/** One for all cases of the surrounding `describe`: starting a worker takes longer than most of them. `options` as for {@link Bench.begin}. */
export function useBench(adapter: Adapter, options: BenchOptions = {}): () => Bench {
  let bench: Bench | undefined
  beforeAll(async () => {
    bench = new Bench(adapter)
    await bench.begin(options)
  })
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') process.stderr.write(`\n=== ${task.name}: the log of ${adapter.name}:\n${bench?.log() ?? ''}\n`)
  })
  afterAll(() => bench?.end())
  return () => {
    if (bench === undefined) throw new Error('the bench has not begun')
    return bench
  }
}
