import { randomUUID } from 'node:crypto'
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { ConfigError, describeError } from './errors.js'
import { isDiskFault } from './log/disk-fault.js'
import { parseJson, readIfThere } from './read-file.js'
import { bootId, type LockOptions, takeSpoolLock } from './spool-lock.js'

/**
 * `folder`: device and inode of the folder that was last used with it, absent in files of the first version; `boot`: of the kernel that said so; `incarnation`: of the last process.
 * `former`: while no server has welcomed that one, the processes before it that servers may still know, all certainly dead; the first of them was welcomed.
 */
const IdentityFile = z.object({
  workerId: z.uuid(),
  folder: z.string().optional(),
  boot: z.string().optional(),
  incarnation: z.uuid().optional(),
  former: z.array(z.uuid()).optional(),
})
type IdentityFile = z.infer<typeof IdentityFile>

/** Of a worker that dies again and again before a server has welcomed it, this many processes are remembered. */
const MAX_FORMER = 4

/** A spool folder in use by this process: who the worker is, and the lock that keeps a second worker out. */
export interface SpoolHold {
  readonly workerId: string
  /** Of this process. */
  readonly incarnation: string
  /** Processes that had the folder before and are certainly dead. Servers know one of them: the first, unless a later one died before it read its welcome. */
  readonly former: readonly string[]
  /** The folder is a copy, or was moved: what it says of running attempts may be true of another worker. */
  readonly isCopy: boolean
  /** A server knows this process by now: a successor need name no other. */
  welcomed(): void
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
      const known = readIdentity(dir)
      const { dev, ino } = statSync(dir)
      const isCopy = known?.folder !== undefined && !isSameFolder(known.folder, known.boot, `${dev}`, `${ino}`)
      const former = known !== undefined && lock.isFormerDead && !isCopy ? formerOf(known) : []
      const incarnation = randomUUID()
      const own = { workerId: known?.workerId ?? randomUUID(), folder: `${dev}:${ino}`, boot: bootId(), incarnation }
      writeIdentity(dir, former.length === 0 ? own : { ...own, former })
      return { workerId: own.workerId, incarnation, former, isCopy, welcomed: () => writeIdentity(dir, own), release: () => lock.release() }
    } catch (error) {
      lock.release()
      throw error
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError(`--spool-dir (JOBTRAIL_SPOOL_DIR): ${dir} cannot be used; give a folder that the worker may write (${describeError(error)})`, error)
  }
}

function readIdentity(dir: string): IdentityFile | undefined {
  const path = join(dir, 'worker.json')
  const text = readIfThere(path)
  const parsed = text === undefined ? undefined : IdentityFile.safeParse(parseJson(text))
  if (parsed?.success === false) throw new ConfigError(`${path} is damaged; remove it to make a new worker of this folder`)
  return parsed?.data
}

/** Renamed into place, so that a torn write never becomes an identity; on a full disk written over what is there. */
function writeIdentity(dir: string, identity: IdentityFile): void {
  const path = join(dir, 'worker.json')
  const text = `${JSON.stringify(identity)}\n`
  try {
    writeFileSync(`${path}.new`, text, { mode: 0o600 })
    renameSync(`${path}.new`, path)
  } catch (error) {
    rmSync(`${path}.new`, { force: true })
    const there = readIfThere(path)
    if (there === undefined || !isDiskFault(error)) throw error
    // A longer one waits until this process is welcomed: the file names processes that are certainly dead, and servers know one of them. Blanks after JSON change nothing.
    if (text.length <= there.length) writeFileSync(path, text.padEnd(there.length), { flag: 'r+' })
  }
}

/** The last one that was welcomed comes first, then the last one of all: its welcome may have come too late for it. */
function formerOf({ incarnation, former: [welcomed, ...others] = [] }: IdentityFile): string[] {
  return [welcomed, incarnation, ...others].filter((each) => each !== undefined).slice(0, MAX_FORMER)
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
