import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { waitFor } from '@jobtrail/deploy/wait'
import type { AttemptKey } from '@jobtrail/shared/domain/attempt-key'
import type { Assignment, AttemptEnd } from '@jobtrail/shared/protocol/worker'
import { afterEach, beforeEach } from 'vitest'
import { attemptProcesses } from '../support/attempt-processes.js'
import { ServerDouble } from './server-double.js'
import { type Adapter, WorkerUnderTest } from './worker-under-test.js'

export const WAIT = { timeoutMs: 20_000, intervalMs: 10 }

type Options = Partial<Omit<Assignment, 'processor' | 'instanceId' | 'log'>> & { log?: Partial<Assignment['log']> }

/** One attempt of a job that no other test has. */
export function assignment(processor: Assignment['processor'], { log, ...more }: Options = {}): Assignment {
  return {
    ...{ instanceId: randomUUID(), task: 0, attempt: 1, namespace: 'default', jobId: randomUUID(), jobName: 'conformance', revision: 1, scheduledFor: null },
    ...{ processor, params: {}, secrets: {}, timeoutMs: 0, killGraceMs: 2_000, log: { maxLines: 0, maxBytes: 0, onPressure: 'block', ...log } },
    ...more,
  }
}

export const shell = (script: string, more: Options = {}): Assignment => assignment({ kind: 'shell', script }, more)
export const handler = (name: string, more: Options = {}): Assignment => assignment({ kind: 'handler', handler: name }, more)
/** Whichever form the worker chose for it. */
export const resultOf = ({ result, resultText }: AttemptEnd): unknown => (resultText === undefined ? result : JSON.parse(resultText))
export const count = (lines: number): string[] => Array.from({ length: lines }, (_, i) => `line ${i}`)
export const isRunning = (key: AttemptKey): boolean => attemptProcesses(key.instanceId).length > 0

/** A server double and a worker for each test, in a folder of its own. */
export class Bench {
  server!: ServerDouble
  worker!: WorkerUnderTest
  dir = ''

  constructor(readonly adapter: Adapter) {
    beforeEach(() => {
      this.dir = mkdtempSync(join(tmpdir(), 'jobtrail-conformance-'))
    })
    afterEach(async ({ task }) => {
      if (task.result?.state === 'fail') process.stderr.write(`\n=== ${task.name}: the log of ${adapter.name}:\n${this.worker.log()}\n`)
      await this.worker.remove()
      await this.server.close()
      rmSync(this.dir, { recursive: true, force: true })
      if (this.server.problems.length > 0) throw new Error(`What no worker may do:\n${this.server.problems.join('\n')}`)
    })
  }

  /** Starts both, and waits until they are connected. */
  async begin({ leaseMs = 6_000, slots = 4, args = [] as readonly string[] } = {}): Promise<void> {
    this.server = await ServerDouble.start({ leaseMs })
    this.worker = new WorkerUnderTest(this.adapter, this.server.url, { slots, args })
    await this.server.hello()
  }

  /** Shell code that waits until the test lets it go on. */
  gate(): { wait: string; open: () => void } {
    const file = join(this.dir, 'gate')
    return { wait: `while [ ! -e '${file}' ]; do sleep 0.02; done`, open: () => writeFileSync(file, '') }
  }

  /** Waits until the process has got so far that this file is there. */
  async reached(file: string): Promise<void> {
    await waitFor(() => existsSync(file), { ...WAIT, what: `${file} to be there` })
  }

  /** Waits until so many lines of an attempt are stored. */
  async stored(key: AttemptKey, lines: number): Promise<void> {
    await waitFor(() => this.server.logs.lines(key).length >= lines, { ...WAIT, what: `${lines} stored lines` })
  }
}
