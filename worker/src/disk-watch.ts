import { open, rm, stat } from 'node:fs/promises'
import { rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { backoffMs } from './log/backoff.js'
import { isDiskFault } from './log/disk-fault.js'
import { systemCode } from './errors.js'

const LOOK_EVERY_MS = 5_000
const RETRY_BASE_MS = 500
const RETRY_MAX_MS = 5_000
/** With less than this a run could not even get its script. */
export const MIN_FREE_BYTES = 1024 * 1024
const PROBE_BYTES = 64 * 1024
const RESERVE_BYTES = 256 * 1024
const RESERVE = 'reserve'

export interface DiskWatchOptions {
  dir: string
  /** The problem as it is now; null when there is none any more. */
  onChange(problem: string | null): void
  /** For specs. */
  write?: (path: string, bytes: number) => Promise<void>
  freeBytes?: (dir: string) => number
}

/**
 * Knows whether the spool folder can be written. A worker that cannot keep what it captures takes no new work until it can again; it finds that out by itself, by
 * trying. While all is well it holds a small reserve, which a start on a full disk gives up.
 */
export class DiskWatch {
  problem: string | null = null
  private timer: NodeJS.Timeout | undefined
  private failures = 0
  private isClosed = false
  private readonly write: (path: string, bytes: number) => Promise<void>
  private readonly freeBytes: (dir: string) => number

  constructor(private readonly options: DiskWatchOptions) {
    this.write = options.write ?? writeZeros
    this.freeBytes = options.freeBytes ?? freeBytes
  }

  /** Looks now, and from then on. */
  async start(): Promise<void> {
    await this.look()
  }

  close(): void {
    this.isClosed = true
    clearTimeout(this.timer)
  }

  /** Something went wrong: when it was the disk that refused, this is a problem until a write works again. */
  noteFault(error: unknown): void {
    if (!isDiskFault(error) || this.isClosed) return
    this.set(describe(error))
    if (this.failures === 0) this.again()
  }

  /** Looks at the free space alone, which costs some microseconds: others may have filled the disk since the last look. To be called before a run is taken. */
  checkSpace(): void {
    if (this.problem !== null || this.isClosed) return
    try {
      this.needSpace()
    } catch (error) {
      this.set(describe(error))
      this.again()
    }
  }

  private needSpace(): void {
    const free = this.freeBytes(this.options.dir)
    if (free < MIN_FREE_BYTES) throw new LowSpaceError(free)
  }

  private async look(): Promise<void> {
    try {
      this.needSpace()
      // Only a write tells of quotas, descriptors and folders that have become read-only.
      if (this.problem !== null || this.failures > 0) await this.probe()
      await this.keepReserve()
      this.failures = 0
      this.set(null)
    } catch (error) {
      this.failures++
      this.set(describe(error))
    }
    this.again()
  }

  private again(): void {
    clearTimeout(this.timer)
    if (this.isClosed) return
    const isWell = this.problem === null
    if (!isWell && this.failures === 0) this.failures = 1
    this.timer = setTimeout(() => void this.look(), isWell ? LOOK_EVERY_MS : backoffMs(this.failures, RETRY_BASE_MS, RETRY_MAX_MS))
  }

  private async probe(): Promise<void> {
    const path = join(this.options.dir, 'probe')
    try {
      await this.write(path, PROBE_BYTES)
    } finally {
      await rm(path, { force: true })
    }
  }

  private async keepReserve(): Promise<void> {
    const path = join(this.options.dir, RESERVE)
    const size = await stat(path).then(
      (found) => found.size,
      (error: unknown) => {
        if (systemCode(error) === 'ENOENT') return 0
        throw error
      },
    )
    if (size < RESERVE_BYTES) await this.write(path, RESERVE_BYTES)
  }

  private set(problem: string | null): void {
    // What went wrong first is said until it is over: what follows from it changes with each try.
    if ((problem === null) === (this.problem === null) || this.isClosed) return
    this.problem = problem
    this.options.onChange(problem)
  }
}

/** Gives up the reserve, so that what little a start writes has room. */
export function releaseReserve(dir: string): void {
  rmSync(join(dir, RESERVE), { force: true })
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left on its disk',
  EDQUOT: 'its disk quota is used up',
  EIO: 'its disk reports errors',
  EROFS: 'its file system is read-only',
  EMFILE: 'the worker has no file descriptors left',
  ENFILE: 'the machine has no file descriptors left',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
}

class LowSpaceError extends Error {
  constructor(free: number) {
    super(`only ${Math.floor(free / 1024).toLocaleString('en')} KiB are left on the disk of the spool folder`)
  }
}

function describe(error: unknown): string {
  const code = systemCode(error)
  const text = code === undefined ? (error instanceof Error ? error.message : String(error)) : (REASONS[code] ?? code)
  return `The spool folder cannot be written: ${text}`
}

function freeBytes(dir: string): number {
  const { bavail, bsize } = statfsSync(dir)
  return bavail * bsize
}

async function writeZeros(path: string, bytes: number): Promise<void> {
  const handle = await open(path, 'w', 0o600)
  try {
    await handle.writeFile(Buffer.alloc(bytes))
    await handle.sync()
  } finally {
    await handle.close()
  }
}
