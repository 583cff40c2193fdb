import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { hasCode } from './errno.js'
import { isAlive } from './lock.js'
import { type WaitOptions, WaitAbortedError, WaitTimeoutError, waitFor, withTimeout } from './wait.js'

/** What to run and where its output goes. */
export interface ManagedProcessOptions {
  /** Shown in errors. */
  name: string
  command: string
  args: readonly string[]
  /** stdout and stderr are appended here. */
  logFile: string
  /** The complete environment; this process's own when left out. */
  env?: NodeJS.ProcessEnv
  cwd?: string
  /** Sent when this process dies: SIGKILL, unless the child has children or data to look after. */
  deathSignal?: 'SIGTERM' | 'SIGKILL'
}

/** How a process ended. */
export interface ProcessExit {
  code: number | null
  signal: NodeJS.Signals | null
}

const alive = new Set<ManagedProcess>()
let exitHookInstalled = false
let signalHooksInstalled = false

/** Nothing may outlive us, whatever we die of: an exception, process.exit, or a plain end. */
function installExitHook(): void {
  if (exitHookInstalled) return
  exitHookInstalled = true
  process.on('exit', killAllNow)
}

/** Sends every process its death signal, without waiting. */
export function killAllNow(): void {
  for (const child of alive) child.signalGroup(child.options.deathSignal ?? 'SIGKILL')
}

/** Makes SIGINT, SIGTERM and SIGHUP end the children before ending this process. */
export function killChildrenOnSignals(): void {
  if (signalHooksInstalled) return
  signalHooksInstalled = true
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ] as const) {
    process.once(signal, () => {
      killAllNow()
      process.exit(128 + number)
    })
  }
}

let setpriv: boolean | undefined

/** Linux can tie a child to its parent's life, which holds even when the parent gets a SIGKILL. */
function hasSetpriv(): boolean {
  if (setpriv !== undefined) return setpriv
  if (process.platform !== 'linux') return (setpriv = false)
  const probe = spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true'], { timeout: 5_000 })
  return (setpriv = probe.status === 0)
}

/** A child process that can be started again after it ended, with its output in a file. */
export class ManagedProcess {
  private child: ChildProcess | undefined
  private exit: Promise<ProcessExit> | undefined
  private ended: ProcessExit | undefined

  constructor(readonly options: ManagedProcessOptions) {}

  get name(): string {
    return this.options.name
  }

  get logFile(): string {
    return this.options.logFile
  }

  /** The process id while it runs. */
  get pid(): number | undefined {
    return this.isRunning ? this.child?.pid : undefined
  }

  get isRunning(): boolean {
    return this.child !== undefined && this.ended === undefined
  }

  /** Starts the process; does not wait until it is ready. */
  start(): void {
    if (this.isRunning) throw new Error(`${this.name} is running already`)
    installExitHook()
    const { command, args, env, cwd, logFile } = this.options
    mkdirSync(dirname(logFile), { recursive: true })
    const out = openSync(logFile, 'a')
    const tied = hasSetpriv()
    const deathSignal = (this.options.deathSignal ?? 'SIGKILL').slice(3)
    const child = spawn(
      tied ? 'setpriv' : command,
      tied ? ['--pdeathsig', deathSignal, '--', command, ...args] : [...args],
      // A group of its own: Ctrl-C in the terminal reaches us only, so that we can end them in order.
      { stdio: ['ignore', out, out], env: env ?? process.env, cwd, detached: true },
    )
    closeSync(out)
    this.child = child
    this.ended = undefined
    alive.add(this)
    this.exit = new Promise((resolve) => {
      const finish = (exit: ProcessExit): void => {
        if (this.child === child) {
          this.ended = exit
          alive.delete(this)
        }
        resolve(exit)
      }
      child.once('exit', (code, signal) => finish({ code, signal }))
      child.once('error', () => finish({ code: 127, signal: null }))
    })
  }

  /** Resolves when the current run has ended. */
  exited(): Promise<ProcessExit> {
    if (this.exit === undefined) throw new Error(`${this.name} was never started`)
    return this.exit
  }

  /** Sends a signal to the process alone; its own children are its own business. */
  signal(signal: NodeJS.Signals): void {
    if (this.pid !== undefined) sendSignal(this.pid, signal)
  }

  /** Sends a signal to the process and to everything it started in its group. */
  signalGroup(signal: NodeJS.Signals): void {
    if (this.pid !== undefined) sendSignal(-this.pid, signal)
  }

  /** Waits until `probe` is true; fails at once, with the end of the log, when the process ends. */
  async waitUntil(probe: () => boolean | Promise<boolean>, options: WaitOptions): Promise<void> {
    try {
      await waitFor(async () => {
        if (this.ended !== undefined) {
          const { code, signal } = this.ended
          throw new WaitAbortedError(`${this.name} ended (${signal ?? `exit code ${code}`}) before ${options.what}`)
        }
        return probe()
      }, options)
    } catch (error) {
      if (!(error instanceof Error)) throw error
      throw new Error(`${error.message}\n--- end of ${this.logFile}:\n${this.tail(40)}`, { cause: error })
    }
  }

  /** SIGKILL (or another signal), and waits until the process is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL', timeoutMs = 30_000): Promise<ProcessExit> {
    this.signal(signal)
    return withTimeout(this.exited(), timeoutMs, `${this.name} to end after ${signal}`)
  }

  /** Asks it to end, and kills it with its group when it has not after `graceMs`. */
  async stop(graceMs = 15_000): Promise<ProcessExit | undefined> {
    if (this.exit === undefined) return undefined
    const pid = this.pid
    if (pid === undefined) return this.exit
    sendSignal(pid, 'SIGTERM')
    // A process that a test has frozen would never see it.
    sendSignal(-pid, 'SIGCONT')
    try {
      return await withTimeout(this.exit, graceMs, `${this.name} to end`)
    } catch (error) {
      if (!(error instanceof WaitTimeoutError)) throw error
      sendSignal(-pid, 'SIGKILL')
      return withTimeout(this.exit, 10_000, `${this.name} to end after SIGKILL`)
    }
  }

  /** The last lines of the log. */
  tail(lines: number): string {
    return this.log().trimEnd().split('\n').slice(-lines).join('\n')
  }

  /** Everything the process has written so far, over all its runs. */
  log(): string {
    try {
      return readFileSync(this.logFile, 'utf8')
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return ''
      throw error
    }
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    // It ended between our look and our signal.
    if (hasCode(error, 'ESRCH') || !isAlive(Math.abs(pid))) return
    throw error
  }
}
