import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { REPO_ROOT, WORKER_MAIN } from '@jobtrail/deploy/paths'
import { ManagedProcess } from '@jobtrail/deploy/process'
import { TOKEN } from './server-double.js'

/** How to start a worker of some language. It takes the same options as ours, and the token from the environment. */
export interface Adapter {
  name: string
  command: string
  args: readonly string[]
  env?: Record<string, string>
  /** Its handlers: `conformance/handlers.*`. */
  handlers: string
}

const inSuite = (file: string): string => join(REPO_ROOT, 'test/conformance', file)

export const ours: Adapter = { name: 'our worker', command: process.execPath, args: [WORKER_MAIN], handlers: inSuite('handlers.mjs') }

export const python: Adapter = {
  name: 'the Python worker',
  command: 'python3',
  args: ['-m', 'jobtrail_worker'],
  env: { PYTHONPATH: join(REPO_ROOT, 'clients/python'), PYTHONDONTWRITEBYTECODE: '1' },
  handlers: inSuite('handlers.py'),
}

/** Why the tests of the Python worker are skipped, for their names. */
export const PYTHON_PROBLEM = ((): string | undefined => {
  const { status, error } = spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))'])
  if (error !== undefined) return ' (skipped: there is no python3)'
  return status === 0 ? undefined : ' (skipped: python3 is older than 3.9)'
})()

/** Without the test's own settings. */
const inherited = (): NodeJS.ProcessEnv => Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(JOBTRAIL_|VITEST|TEST$|NODE_)/.test(name)))

/** A worker process with a spool of its own; it can be killed and started again on the same spool. */
export class WorkerUnderTest {
  readonly spoolDir: string
  private readonly process: ManagedProcess
  private readonly dir: string

  constructor(adapter: Adapter, server: string, { slots = 4, args = [] as readonly string[], token = TOKEN } = {}) {
    this.dir = mkdtempSync(join(tmpdir(), 'jobtrail-conformance-'))
    this.spoolDir = join(this.dir, 'spool')
    const options = {
      server,
      name: 'under-test',
      group: 'default',
      tags: 'one,two',
      slots: String(slots),
      'spool-dir': this.spoolDir,
      handlers: adapter.handlers,
    }
    this.process = new ManagedProcess({
      name: adapter.name,
      command: adapter.command,
      args: [...adapter.args, ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]), ...args],
      env: { ...inherited(), ...adapter.env, JOBTRAIL_TOKEN: token },
      logFile: join(this.dir, 'worker.log'),
      deathSignal: 'SIGTERM',
    })
    this.process.start()
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.process.kill()
  }

  /** Starts the worker again on its spool. */
  restart(): void {
    this.process.start()
  }

  /** SIGTERM; the exit status. */
  async stop(): Promise<number | null | undefined> {
    return (await this.process.stop())?.code
  }

  exited(): Promise<{ code: number | null }> {
    return this.process.exited()
  }

  signal(name: NodeJS.Signals): void {
    this.process.signal(name)
  }

  log(): string {
    return this.process.log()
  }

  /** Ends it and removes its spool. */
  async remove(): Promise<void> {
    if (this.process.isRunning) await this.process.kill()
    rmSync(this.dir, { recursive: true, force: true })
  }
}
