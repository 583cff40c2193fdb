import { randomUUID } from 'node:crypto'
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { ConfigError, describeError } from './errors.js'
import { isDiskFault } from './log/disk-fault.js'
import { parseJson, readIfThere } from './read-file.js'
import { bootId, type LockOptions, takeSpoolLock } from './spool-lock.js'

/** `folder`: device and inode of the folder that was last used with it, absent in files of the first version; `boot`: of the kernel that said so; `incarnation`: of the last process. */
const IdentityFile = z.object({ workerId: z.uuid(), folder: z.string().optional(), boot: z.string().optional(), incarnation: z.uuid().optional() })

/** A spool folder in use by this process: who the worker is, and the lock that keeps a second worker out. */
export interface SpoolHold {
  readonly workerId: string
  /** Of this process. */
  readonly incarnation: string
  /** The process that had the folder before, where it is certain that it is dead. */
  readonly replaces: string | undefined
  /** The folder is a copy, or was moved: what it says of running attempts may be true of another worker. */
  readonly isCopy: boolean
  release(): void
}

/**
 * Takes the spool folder for this process, making it where it is missing. A restarted worker finds its former ID there and is the same worker. `onLost`: another
 * worker took the folder; this one must stop.
 */
export async function holdSpool(dir: string, onLost: () => void, options?: LockOptions): Promise<SpoolHold> {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    const lock = await takeSpoolLock(dir, onLost, options)
    try {
      const { former, ...identity } = readOrMakeIdentity(dir)
      return { ...identity, replaces: lock.isFormerDead && !identity.isCopy ? former : undefined, release: () => lock.release() }
    } catch (error) {
      lock.release()
      throw error
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError(`--spool-dir (JOBTRAIL_SPOOL_DIR): ${dir} cannot be used; give a folder that the worker may write (${describeError(error)})`, error)
  }
}

function readOrMakeIdentity(dir: string): { workerId: string; incarnation: string; former: string | undefined; isCopy: boolean } {
  const path = join(dir, 'worker.json')
  const { dev, ino } = statSync(dir)
  const folder = `${dev}:${ino}`
  const boot = bootId()
  const text = readIfThere(path)
  const parsed = text === undefined ? undefined : IdentityFile.safeParse(parseJson(text))
  if (parsed?.success === false) throw new ConfigError(`${path} is damaged; remove it to make a new worker of this folder`)
  const known = parsed?.data
  const workerId = known?.workerId ?? randomUUID()
  const incarnation = randomUUID()
  keep(path, text, `${JSON.stringify({ workerId, folder, boot, incarnation })}\n`)
  const isCopy = known?.folder !== undefined && !isSameFolder(known.folder, known.boot, `${dev}`, `${ino}`)
  return { workerId, incarnation, former: known?.incarnation, isCopy }
}

/** Renamed into place, so that a torn write never becomes an identity; on a full disk written over what is there. */
function keep(path: string, former: string | undefined, text: string): void {
  try {
    writeFileSync(`${path}.new`, text, { mode: 0o600 })
    renameSync(`${path}.new`, path)
  } catch (error) {
    rmSync(`${path}.new`, { force: true })
    if (former === undefined || !isDiskFault(error)) throw error
    // Of another length it stays as it is: that it does not name this process costs the next one a lease, which it waits for before it is let in.
    if (former.length === text.length) writeFileSync(path, text, { flag: 'r+' })
  }
}

/**
 * A disk may have another device number after a reboot; then its inode has to do. It is also that of a snapshot of the disk, which is no matter here: nothing of what the
 * original runs is in this boot. Servers turn away the one that comes second.
 */
function isSameFolder(folder: string, boot: string | undefined, dev: string, ino: string): boolean {
  const [formerDev, formerIno] = folder.split(':')
  const isOtherBoot = boot !== undefined && boot !== bootId()
  return formerIno === ino && (formerDev === dev || isOtherBoot)
}
