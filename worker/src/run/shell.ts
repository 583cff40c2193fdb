import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, statSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { Processor } from '@jobtrail/protocol/wire/job'
import { describeError, systemCode } from '../errors.js'
import { addToCgroup, type Cgroups } from '../guard/cgroups.js'
import type { GuardClient } from '../guard/guard-client.js'
import { type AttemptGroup, forget, isEmptied, killKnown } from '../guard/kill-pass.js'
import { markedCommand } from '../guard/markers.js'
import { findProgram, pidMoment, signalGroup, statOf } from '../guard/processes.js'
import type { Reaped, Reaper } from '../guard/reaper.js'
import { AttemptFolder } from './attempt-folder.js'
import type { JobUser } from './job-user.js'
import { type OutputPipe, OutputPipes, type PipeReader } from './output-pipes.js'
import { type Execution, failure, type Outcome, type RunContext, type Runner } from './runner.js'
import { buildEnvironment, paramsTextOf } from './shell-env.js'
import type { WorkerLogger } from '../sdk-types.js'

type ShellProcessor = Extract<Processor, { kind: 'shell' }>

/** How long output is read after the process itself has ended, from children that hold its pipe; then they are killed. */
const LEFTOVER_GRACE_MS = 5_000
/** How long an end is held back while something of the attempt does not die of SIGKILL. */
const KILL_BOUND_MS = 60_000
/** More than a spawn needs at a time, with its pipes and what is read of the process at once. */
const SPAWN_DESCRIPTORS = 12
/** Beside the attempts' folders, and no attempt's key. */
const PIPES_FOLDER = 'pipes'

export interface ShellOptions {
  /** Folder in the spool for the folders of attempts. */
  runsDir: string
  guard: GuardClient
  reaper: Pick<Reaper, 'end'>
  cgroups: Cgroups | undefined
  log: WorkerLogger
  env: Readonly<Record<string, string | undefined>>
  /** Whom processes run as; the worker's own user when left out. */
  user?: JobUser | undefined
  /** The spool folder has a new owner, who may have a folder of the same name there. */
  isSpoolLost?: () => boolean
  leftoverGraceMs?: number
  killBoundMs?: number
}

/** Runs scripts and commands as processes, each in a session and process group of its own. */
export class ShellRunner implements Runner {
  private pipes: OutputPipes | undefined

  constructor(private readonly options: ShellOptions) {}

  /** `talk`: the process is one of ours, and is talked with by Node's messages once it is there. */
  start(context: RunContext, talk?: (child: ChildProcess) => void): Execution {
    const { processor } = context.assignment
    if (processor.kind !== 'shell') throw new TypeError(`not a shell processor: ${processor.kind}`)
    const { runsDir, log, user } = this.options
    this.pipes ??= new OutputPipes(join(runsDir, PIPES_FOLDER), (error) => log.warn({ err: error }, 'no pipes could be made ahead'), user)
    return new ShellExecution(context, processor, new AttemptFolder(join(runsDir, context.key), user), this.pipes, this.options, talk)
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
  /** By us, before it ended: then all that it wrote is what it had written. */
  private isKilled = false
  /** The signal that the process was seen to die of: Node names only those below 32, and reports exit code 0 for the others. */
  private endSignal = 0
  /** What broke in the worker once the process was there. */
  private broken: string | undefined
  private endLeftovers: () => void = () => undefined
  private setReleased: () => void = () => undefined

  constructor(
    private readonly context: RunContext,
    private readonly processor: ShellProcessor,
    private readonly folder: AttemptFolder,
    pipes: OutputPipes,
    private readonly options: ShellOptions,
    private readonly talk?: (child: ChildProcess) => void,
  ) {
    this.group = { key: context.key, group: undefined, start: undefined, cgroup: undefined }
    this.released = new Promise((resolve) => (this.setReleased = resolve))
    const opened: OutputPipe[] = []
    try {
      this.group.since = pidMoment()
      this.group.cgroup = this.makeCgroup()
      options.guard.starting(this.group)
      for (const _side of ['stdout', 'stderr']) opened.push(pipes.open())
      const [stdout, stderr] = opened as [OutputPipe, OutputPipe]
      this.child = this.spawn(stdout.writeFd, stderr.writeFd)
      this.outputs = opened.map(({ readable }) => this.watchEnd(readable))
    } catch (error) {
      for (const { readable } of opened) readable.destroy()
      options.guard.gone(context.key)
      this.discard()
      throw error
    } finally {
      for (const { writeFd } of opened) closeSync(writeFd)
    }
    const exit = this.waitForExit()
    this.begin(opened.map(({ readable }) => readable))
    this.done = this.finish(exit)
  }

  /** What was made for a process that never was. */
  private discard(): void {
    try {
      forget(this.group)
      this.folder.removeNow()
    } catch (error) {
      this.options.log.warn({ err: error, attempt: this.context.key }, 'the folder of an attempt could not be removed; trying again')
      void this.cleanUp()
    }
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
    try {
      killKnown(this.group)
    } catch (error) {
      this.options.log.warn({ err: error, attempt: this.context.key }, 'the process group could not be checked; killing by process ID')
    }
    this.isKilled ||= !this.hasExited
    // Not reaped yet, so the ID is still its own.
    if (!this.hasExited && this.child.pid !== undefined) signalGroup(this.child.pid, 'SIGKILL')
    this.endLeftovers()
  }

  private spawn(stdoutFd: number, stderrFd: number): ChildProcess {
    const { assignment, key } = this.context
    if (this.processor.script !== undefined) this.folder.write('script', this.processor.script)
    this.folder.write('params', paramsTextOf(assignment))
    this.folder.handOver()
    const { user } = this.options
    const base = user === undefined ? this.options.env : { ...this.options.env, HOME: user.home, USER: user.name, LOGNAME: user.name }
    const env = buildEnvironment(base, assignment, key, this.folder)
    const command = commandOf(this.processor, this.folder.script)
    this.checkCommand(command.file, env['PATH'] ?? '/usr/bin:/bin')
    const { file, args } = markedCommand(key, command.file, command.args)
    checkDescriptors()
    return spawn(file, args, {
      detached: true,
      stdio: ['ignore', stdoutFd, stderrFd, 'pipe', ...(this.talk === undefined ? [] : ['ipc' as const])],
      env,
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
      ...(this.processor.cwd === undefined ? {} : { cwd: this.processor.cwd }),
    })
  }

  /** The command is started by another one, which would only print what is wrong. */
  private checkCommand(file: string, path: string): void {
    const { cwd } = this.processor
    if (cwd !== undefined && !isFolder(cwd)) throw new Error(`Could not start: the working directory ${cwd} does not exist on this worker`)
    if (findProgram(file, path, cwd ?? process.cwd()) === undefined) throw new Error(`Could not start: ${file} was not found on this worker`)
  }

  /** The process waits to be let go. What fails from here on must not leave the process alone: it is killed, and the attempt ends when nothing of it is left. */
  private begin(readables: readonly PipeReader[]): void {
    const { context, child, options, folder } = this
    try {
      if (child.pid !== undefined) {
        this.group = this.contain(child.pid)
        options.guard.started(this.group)
        folder.noteGroup(this.group)
      }
      readables.forEach((readable, i) => context.stream.capture(readable, i === 0 ? 'stdout' : 'stderr'))
      if (child.pid === undefined) return
      context.onStarted()
      openGate(child)
      this.talk?.(child)
    } catch (error) {
      this.broken = `The worker could not look after the process: ${describeError(error)}`
      options.log.error({ err: error, attempt: context.key }, 'a process was started but cannot be looked after; killing it')
      for (const readable of readables) readable.destroy()
      gateOf(child)?.destroy()
      this.kill()
    }
  }

  private makeCgroup(): string | undefined {
    try {
      return this.options.cgroups?.make(this.context.key)
    } catch (error) {
      this.options.log.warn({ err: error, attempt: this.context.key }, 'no control group could be made; the attempt is known by its markers')
      return undefined
    }
  }

  /** Puts the process into its control group, before it may begin. */
  private contain(pid: number): AttemptGroup {
    const { cgroup } = this.group
    const known = { ...this.group, group: pid, start: statOf(pid)?.start }
    if (cgroup === undefined) return known
    try {
      addToCgroup(cgroup, pid)
      return { ...known, isContained: true }
    } catch (error) {
      // It has ended already, or the group is not ours to fill: the markers tell.
      if (systemCode(error) !== 'ESRCH') this.options.log.warn({ err: error, attempt: known.key }, 'the process could not be put into its control group')
      return known
    }
  }

  private watchEnd(readable: PipeReader): Promise<void> {
    readable.onEnd = () => {
      const { pid } = this.child
      // The process closes its files before it can be reaped, so it is still there to be asked; otherwise somebody else held the pipe last.
      if (this.hasExited || pid === undefined) return
      try {
        this.endSignal = statOf(pid)?.endSignal ?? 0
      } catch (err) {
        // No descriptor is left to look with: then Node's own word for the end has to do.
        this.options.log.warn({ err, attempt: this.context.key }, 'the signal that ended a process cannot be read')
      }
    }
    return new Promise((resolve) => readable.once('close', () => resolve()))
  }

  private waitForExit(): Promise<Outcome> {
    return new Promise((resolve) => {
      this.child.once('error', (error) => {
        // Also emitted when a kill fails; only a process that never was ends by it.
        if (this.child.pid === undefined) resolve(failure(this.describeSpawnError(error)))
      })
      this.child.once('exit', (exitCode, signal) => {
        this.hasExited = true
        resolve(outcomeOf(exitCode, signal, this.endSignal))
      })
    })
  }

  private async finish(exit: Promise<Outcome>): Promise<Outcome> {
    const outcome = await exit
    clearTimeout(this.grace)
    const areOpen = this.child.pid !== undefined && !(await this.pipesClosed())
    const isHeld = areOpen && !this.isKilled && this.hasMembers()
    // Also what the script left in the background, in whatever session: a later attempt must find nothing of this one.
    const reaped = await this.options.reaper.end(this.group, this.options.killBoundMs ?? KILL_BOUND_MS)
    if (isHeld || (areOpen && !this.isKilled && (reaped.ended !== null || reaped.left !== null)))
      this.context.stream.cutOff('output of what was left in the background is cut off here')
    // What the pipes still hold is read whatever the pressure; the grace bounds the wait for a holder that could not be killed.
    await this.endStream()
    const { problem, ...result } = outcome.isSuccess ? this.readResult() : { result: null, problem: null }
    if (reaped.left === null) await this.cleanUp()
    else void reaped.gone.then(() => this.cleanUp())
    return this.describe({ ...outcome, ...result, error: outcome.error ?? problem }, reaped)
  }

  private describe(outcome: Outcome, { ended, left }: Reaped): Outcome {
    const { broken } = this
    if (broken !== undefined) return { ...failure(broken), ...(left === null ? {} : { killProblem: left }) }
    if (left !== null) return { ...outcome, killProblem: left }
    if (ended === null || !outcome.isSuccess) return outcome
    this.options.log.info({ attempt: this.context.key, processes: ended }, 'ended what an attempt left in the background')
    return { ...outcome, error: outcome.error ?? `Ended what it left in the background: ${ended}` }
  }

  /** When nothing of it runs any more: the slot is free, and the attempt forgotten. */
  private async cleanUp(): Promise<void> {
    try {
      this.options.guard.gone(this.context.key)
      forget(this.group)
      if (this.options.isSpoolLost?.() !== true) await this.folder.remove()
    } catch (error) {
      this.options.log.warn({ err: error, attempt: this.context.key }, 'the folder of an attempt could not be removed')
    }
    this.setReleased()
  }

  private readResult(): ReturnType<AttemptFolder['readResult']> {
    try {
      return this.folder.readResult()
    } catch (error) {
      return { result: null, problem: `The result was left out: ${describeError(error)}` }
    }
  }

  private async endStream(): Promise<void> {
    try {
      await this.context.stream.end(this.graceMs)
    } catch {
      // How the process ended stands; whoever opened the stream asks for its totals, gets this error again and reports it.
    }
  }

  private get graceMs(): number {
    return this.options.leftoverGraceMs ?? LEFTOVER_GRACE_MS
  }

  /** Whether something of the control group, or of the process group, runs: those are dead before they are looked for. */
  private hasMembers(): boolean {
    const { pid } = this.child
    return this.group.isContained === true ? !isEmptied(this.group) : pid !== undefined && signalGroup(pid, 0)
  }

  /** True when nobody holds the output any more, false when the grace has passed or the attempt is to end now. */
  private pipesClosed(): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (areClosed: boolean): void => {
        clearTimeout(timer)
        resolve(areClosed)
      }
      const timer = setTimeout(() => end(false), this.graceMs)
      this.endLeftovers = () => end(false)
      void Promise.all(this.outputs).then(() => end(true))
    })
  }

  private describeSpawnError(error: Error): string {
    const { file } = commandOf(this.processor, this.folder.script)
    return `Could not start ${file}: ${describeError(error)}`
  }
}

/** Node loses descriptors for good when a spawn runs out of them in the middle: so it is looked before whether there are enough. */
function checkDescriptors(): void {
  const opened: number[] = []
  try {
    while (opened.length < SPAWN_DESCRIPTORS) opened.push(openSync('/dev/null', 'r'))
  } finally {
    for (const fd of opened) closeSync(fd)
  }
}

/** Where the process waits. Node has made none when it had no descriptor left. */
function gateOf({ stdio }: ChildProcess): Socket | undefined {
  const gate = (stdio as ChildProcess['stdio'] | undefined)?.[3]
  return gate instanceof Socket ? gate : undefined
}

/** Lets the process become the command. */
function openGate(child: ChildProcess): void {
  const gate = gateOf(child)
  if (gate === undefined) throw new TypeError('the process has no descriptor to wait at')
  // It ended before it read: its exit tells.
  gate.on('error', () => undefined)
  gate.end('\n')
}

function outcomeOf(exitCode: number | null, signal: string | null, endSignal: number): Outcome {
  const name = signal ?? (exitCode === 0 && endSignal > 0 ? String(endSignal) : null)
  if (name !== null) return { ...failure(`Killed by ${signal ?? `signal ${endSignal}`}`), signal: name }
  return { isSuccess: exitCode === 0, exitCode, signal: null, error: exitCode === 0 ? null : `Exit code ${exitCode}`, result: null }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false // the question was whether it is there
  }
}
