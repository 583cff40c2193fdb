import { execFile, execFileSync } from 'node:child_process'
import { closeSync, constants, fchownSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { JobUser } from './job-user.js'

/** Names made by one `mkfifo`; the next lot is made when half are used up. */
const LOT = 32
const MKFIFO_TIMEOUT_MS = 5_000

/** A pipe for a process's output: `writeFd` goes to the process and is closed here once it has started; `readable` is ours. */
export interface OutputPipe {
  readonly writeFd: number
  readonly readable: PipeReader
}

/** Our end. `onEnd` is called the moment that nobody holds the other end any more, before what is buffered has been read. */
export class PipeReader extends Socket {
  onEnd: () => void = () => undefined

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk === null) this.onEnd()
    return super.push(chunk, encoding)
  }
}

/**
 * Makes real pipes. Node connects a child's output by a socket, and a socket cannot be opened again by its name: `echo x > /dev/stdout` and
 * `tee /dev/stderr` in a script would fail. Node has no call for a pipe, so we make named ones, in lots and ahead of need, and remove the name once
 * both ends are open.
 */
export class OutputPipes {
  private readonly ready: string[] = []
  private made = 0
  private isMaking = false

  constructor(
    private readonly dir: string,
    private readonly onFault: (error: unknown) => void,
    private readonly user?: JobUser,
  ) {
    rmSync(dir, { recursive: true, force: true })
    mkdirSync(dir, { recursive: true, mode: 0o700 })
  }

  /** Throws when there is no `mkfifo` or no file descriptor left. */
  open(): OutputPipe {
    if (this.ready.length === 0) {
      const names = this.nextNames()
      execFileSync('mkfifo', ['-m', '600', ...names], { timeout: MKFIFO_TIMEOUT_MS })
      this.ready.push(...names)
    }
    const name = this.ready.shift() ?? ''
    this.refill()
    return openBoth(name, this.user)
  }

  private nextNames(): string[] {
    return Array.from({ length: LOT }, () => join(this.dir, String(this.made++)))
  }

  private refill(): void {
    if (this.isMaking || this.ready.length > LOT / 2) return
    this.isMaking = true
    const names = this.nextNames()
    execFile('mkfifo', ['-m', '600', ...names], { timeout: MKFIFO_TIMEOUT_MS }, (error) => {
      this.isMaking = false
      if (error === null) this.ready.push(...names)
      else this.onFault(error)
    })
  }
}

/** Whatever fails, neither a descriptor nor the name is left behind. */
function openBoth(name: string, user: JobUser | undefined): OutputPipe {
  const opened: number[] = []
  try {
    // Without O_NONBLOCK the first open would wait for the other end.
    const readFd = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK)
    opened.push(readFd)
    const writeFd = openSync(name, constants.O_WRONLY)
    opened.push(writeFd)
    // Or `> /dev/stdout` would be refused.
    if (user !== undefined) fchownSync(writeFd, user.uid, user.gid)
    return { writeFd, readable: new PipeReader({ fd: readFd, readable: true, writable: false }) }
  } catch (error) {
    for (const fd of opened) closeSync(fd)
    throw error
  } finally {
    rmSync(name, { force: true })
  }
}
