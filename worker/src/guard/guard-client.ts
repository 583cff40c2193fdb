import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Backoff } from '../backoff.js'
import type { AttemptGroup } from './kill-pass.js'
import type { GuardMessage } from './protocol.js'
import type { WorkerLogger } from '../sdk-types.js'

const GUARD_MODULE = fileURLToPath(new URL('./guard.js', import.meta.url))

/**
 * The worker's side of the guard. The guard is started with the first process that needs it, so a worker of handlers alone has none; when it dies it is
 * started again and told everything anew.
 */
export class GuardClient {
  private child: ChildProcess | undefined
  private restart: NodeJS.Timeout | undefined
  private deadline: number | undefined
  private isClosed = false
  private readonly groups = new Map<string, AttemptGroup>()
  private readonly backoff = new Backoff(50, 2_000)

  constructor(
    private readonly log: WorkerLogger,
    private readonly guardModule: string = GUARD_MODULE,
  ) {}

  /** Nothing to guard, or there is a guard. */
  get isGuarding(): boolean {
    return this.groups.size === 0 || this.child !== undefined
  }

  /** Call before the process is started: a worker killed between the two leaves no orphan. */
  starting(attempt: AttemptGroup): void {
    this.groups.set(attempt.key, attempt)
    if (this.child === undefined && this.restart === undefined) this.launch()
    else this.send(messageOf(attempt))
  }

  started(attempt: AttemptGroup): void {
    this.groups.set(attempt.key, attempt)
    this.send(messageOf(attempt))
  }

  gone(key: string): void {
    if (this.groups.delete(key)) this.send({ kind: 'gone', key })
  }

  /** Tells the lease's end, in ms of the lease clock. */
  lease(deadline: number): void {
    this.deadline = deadline
    this.send({ kind: 'lease', deadline })
  }

  /** Ends the guard: it kills what is still known to it and exits. */
  close(): void {
    this.isClosed = true
    clearTimeout(this.restart)
    this.child?.stdin?.end()
    this.child?.unref()
  }

  private launch(): void {
    this.restart = undefined
    if (this.isClosed) return
    // Its own session: a signal to the terminal's or the worker's group does not reach it. A small heap, for it holds a few numbers.
    const child = spawn(process.execPath, ['--max-old-space-size=32', '--max-semi-space-size=1', this.guardModule], {
      detached: true,
      stdio: ['pipe', 'ignore', 'inherit'],
      env: {},
    })
    this.child = child
    child.on('error', (error) => this.lost(child, error))
    child.on('exit', (code, signal) => this.lost(child, new Error(`it ended with ${signal ?? code}`)))
    // A write to a guard that just died: `exit` follows and deals with it.
    child.stdin?.on('error', (error) => this.log.debug({ err: error }, 'guard input'))
    child.unref()
    for (const attempt of this.groups.values()) this.send(messageOf(attempt))
    if (this.deadline !== undefined) this.send({ kind: 'lease', deadline: this.deadline })
  }

  private lost(child: ChildProcess, error: Error): void {
    if (this.child !== child) return
    this.child = undefined
    if (this.isClosed) return
    this.log.warn({ err: error }, 'the guard process is gone; starting it again')
    this.restart = setTimeout(() => this.launch(), this.backoff.next())
    this.restart.unref()
  }

  private send(message: GuardMessage): void {
    this.child?.stdin?.write(`${JSON.stringify(message)}\n`)
  }
}

function messageOf({ key, group, start, cgroup }: AttemptGroup): GuardMessage {
  const common = { key, ...(cgroup === undefined ? {} : { cgroup }) }
  if (group === undefined) return { kind: 'starting', ...common }
  return { kind: 'started', ...common, group, ...(start === undefined ? {} : { start }) }
}
