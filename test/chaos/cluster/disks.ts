import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { hasCode } from '@jobtrail/deploy/errno'

const SIZE_MIB = 48
const FILLER = 'filler'

/** Small file systems in memory, one for each worker's spool, that can be filled to the last byte. Only root may mount them. */
export class Disks {
  problem: string | undefined
  private readonly mounted: string[] = []

  constructor(private readonly dir: string) {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) this.problem = 'only root can mount the small file system that this fault fills'
    // Whatever ends us, nothing stays mounted.
    process.on('exit', () => this.unmountAll())
  }

  /** Returns its folder, or undefined where it cannot be mounted. */
  mount(name: string): string | undefined {
    if (this.problem !== undefined) return undefined
    const folder = join(this.dir, `${name}-disk`)
    mkdirSync(folder)
    const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MIB}m`, 'tmpfs', folder], { encoding: 'utf8', timeout: 10_000 })
    if (status !== 0) {
      this.problem = `no file system could be mounted: ${stderr.trim()}`
      return undefined
    }
    this.mounted.push(folder)
    return folder
  }

  unmountAll(): void {
    for (const folder of this.mounted.splice(0)) spawnSync('umount', ['-l', folder], { timeout: 10_000 })
  }
}

/** Fills what is left of a disk; {@link freeDisk} gives it back. */
export function fillDisk(folder: string): void {
  const file = openSync(join(folder, FILLER), 'a')
  try {
    for (let size = 1_048_576; size >= 1; size = Math.floor(size / 16)) while (writeAll(file, size));
  } finally {
    closeSync(file)
  }
}

export function freeDisk(folder: string): void {
  rmSync(join(folder, FILLER), { force: true })
}

/** Whether so many bytes still fitted. */
function writeAll(file: number, size: number): boolean {
  try {
    return writeSync(file, Buffer.alloc(size)) === size
  } catch (error) {
    if (hasCode(error, 'ENOSPC')) return false
    throw error
  }
}
