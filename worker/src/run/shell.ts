import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Processor } from '@jobtrail/shared/api/jobs'
import type { Logger } from 'pino'
import { describeError, systemCode } from '../errors.js'
import type { GuardClient } from '../guard/guard-client.js'
import { type AttemptGroup, killAttempts, signalGroup } from '../guard/processes.js'
import { AttemptFolder } from './attempt-folder.js'
import { type OutputPipe, OutputPipes } from './output-pipes.js'
import { type Execution, failure, type Outcome, type RunContext, type Runner } from './runner.js'
import { buildEnvironment } from './shell-env.js'

type ShellProcessor = Extract<Processor, { kind: 'shell' }>

/** How long output is read after the process itself has ended, from children that hold its pipe; then they are killed. */
const LEFTOVER_GRACE_MS = 5_000
/** Beside the attempts' folders, and no attempt's key. */
const PIPES_FOLDER = 'pipes'

export interface ShellOptions {
  /** Folder in the spool for the folders of attempts. */
  runsDir: string
  guard: GuardClient
  log: Logger
  env: Readonly<Record<string, string | undefined>>
  leftoverGraceMs?: number
}

/** Runs scripts and commands as processes, each in a process group of its own. */
export class ShellRunner implements Runner {
  private pipes: OutputPipes | undefined

  constructor(private readonly options: ShellOptions) {}

  start(context: RunContext): Execution {
    const { processor } = context.assignment
    if (processor.kind !== 'shell') throw new TypeError(`not a shell processor: ${processor.kind}`)
    const folder = new AttemptFolder(join(this.options.runsDir, context.key))
    const { runsDir, log } = this.options
    this.pipes ??= new OutputPipes(join(runsDir, PIPES_FOLDER), (error) => log.warn({ err: error }, 'no pipes could be made ahead'))
    return new ShellExecution(context, processor, folder, this.pipes, this.options)
  }
}

/** What to start: the script is a file, so that it shows in no process list and has no length limit. `/usr/bin/env python3 -u` is split at the blanks. */
export function commandOf(processor: ShellProcessor, scriptPath: string): { file: string; args: readonly string[] } {
  if (processor.command !== undefined) return { file: processor.command, args: processor.args ?? [] }
  const [file = '/bin/sh', ...args] = (processor.interpreter ?? '/bin/sh').trim().split(/\s+/)
  return { file, args: [...args, scriptPath] }
}

class ShellExecution implements Execution {
  readonly done: Promise<Outcome>
  readonly released: Promise<void>
  private readonly child: ChildProcess
  /** Each resolves when its pipe is at its end. */
  private readonly outputs: readonly Promise<void>[]
  private group: AttemptGroup
  private grace: NodeJS.Timeout | undefined
  private hasExited = false
  private endLeftovers: () => void = () => undefined

  constructor(
    private readonly context: RunContext,
    private readonly processor: ShellProcessor,
    private readonly folder: AttemptFolder,
    pipes: OutputPipes,
    private readonly options: ShellOptions,
  ) {
    this.group = { key: context.key, group: undefined, start: undefined }
    options.guard.starting(context.key)
    const opened: OutputPipe[] = []
    try {
      const [stdout, stderr] = [pipes.open(), pipes.open()] as const
      opened.push(stdout, stderr)
      this.child = this.spawn(stdout.writeFd, stderr.writeFd)
      this.outputs = [watchEnd(stdout.readable), watchEnd(stderr.readable)]
      context.stream.capture(stdout.readable, 'stdout')
      context.stream.capture(stderr.readable, 'stderr')
    } catch (error) {
      for (const { readable } of opened) readable.destroy()
      options.guard.gone(context.key)
      void this.removeFolder()
      throw error
    } finally {
      for (const { writeFd } of opened) closeSync(writeFd)
    }
    const exit = this.waitForExit()
    if (this.child.pid !== undefined) {
      context.onStarted()
      this.group = options.guard.started(context.key, this.child.pid)
      folder.noteGroup(this.group)
    }
    this.done = this.finish(exit)
    this.released = this.done.then(() => undefined)
  }

  stop(): boolean {
    if (this.hasExited) {
      this.endLeftovers()
      return false
    }
    if (this.child.pid === undefined || this.grace !== undefined) return true
    signalGroup(this.child.pid, 'SIGTERM')
    this.grace = setTimeout(() => this.kill(), this.context.assignment.killGraceMs)
    return true
  }

  kill(): void {
    this.killAll()
    this.endLeftovers()
  }

  private spawn(stdoutFd: number, stderrFd: number): ChildProcess {
    const { assignment, key } = this.context
    if (this.processor.script !== undefined) this.folder.write('script', this.processor.script)
    this.folder.write('params', JSON.stringify(assignment.params))
    const { file, args } = commandOf(this.processor, this.folder.script)
    return spawn(file, args, {
      detached: true,
      stdio: ['ignore', stdoutFd, stderrFd],
      env: buildEnvironment(this.options.env, assignment, key, this.folder),
      ...(this.processor.cwd === undefined ? {} : { cwd: this.processor.cwd }),
    })
  }

  private waitForExit(): Promise<Outcome> {
    return new Promise((resolve) => {
      this.child.once('error', (error) => {
        // Also emitted when a kill fails; only a process that never was ends by it.
        if (this.child.pid === undefined) resolve(failure(this.describeSpawnError(error)))
      })
      this.child.once('exit', (exitCode, signal) => {
        this.hasExited = true
        resolve({ isSuccess: exitCode === 0, exitCode, signal, error: exitCode === 0 ? null : describeExit(exitCode, signal), result: null })
      })
    })
  }

  private async finish(exit: Promise<Outcome>): Promise<Outcome> {
    const outcome = await exit
    clearTimeout(this.grace)
    if (this.child.pid !== undefined) {
      if (!(await this.pipesClosed())) this.killAll()
      // What the script left in the background with its output closed ends with it too; who wants a daemon uses setsid.
      else signalGroup(this.child.pid, 'SIGKILL')
    }
    // What the pipes still hold is read however long pressure lasts; the grace only bounds the wait for a holder that could not be killed.
    await this.endStream()
    this.options.guard.gone(this.context.key)
    const { problem, ...result } = outcome.isSuccess ? this.folder.readResult() : { result: null, problem: null }
    await this.removeFolder()
    return { ...outcome, ...result, error: outcome.error ?? problem }
  }

  private async endStream(): Promise<void> {
    try {
      await this.context.stream.writable()
      await this.context.stream.end(this.graceMs)
    } catch {
      // How the process ended stands; whoever opened the stream asks for its totals, gets this error again and reports it.
    }
  }

  private get graceMs(): number {
    return this.options.leftoverGraceMs ?? LEFTOVER_GRACE_MS
  }

  /** True when nobody holds the output any more, false when the grace has passed or the attempt is to end now. */
  private pipesClosed(): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (areClosed: boolean) => {
        clearTimeout(timer)
        resolve(areClosed)
      }
      const timer = setTimeout(() => end(false), this.graceMs)
      this.endLeftovers = () => end(false)
      void Promise.all(this.outputs).then(() => end(true))
    })
  }

  private killAll(): void {
    if (this.group.group === undefined) return
    killAttempts([this.group], true)
  }

  private describeSpawnError(error: Error): string {
    const { cwd } = this.processor
    if (cwd !== undefined && systemCode(error) === 'ENOENT' && !isFolder(cwd))
      return `Could not start: the working directory ${cwd} does not exist on this worker`
    const { file } = commandOf(this.processor, this.folder.script)
    if (systemCode(error) === 'ENOENT') return `Could not start: ${file} was not found on this worker`
    return `Could not start ${file}: ${describeError(error)}`
  }

  private async removeFolder(): Promise<void> {
    try {
      await this.folder.remove()
    } catch (error) {
      this.options.log.warn({ err: error, attempt: this.context.key }, 'the folder of an attempt could not be removed')
    }
  }
}

const watchEnd = (readable: Readable): Promise<void> => new Promise((resolve) => readable.once('close', () => resolve()))

const describeExit = (exitCode: number | null, signal: string | null): string => (signal === null ? `Exit code ${exitCode}` : `Killed by ${signal}`)

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false // the question was whether it is there
  }
}
