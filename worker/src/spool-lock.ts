import { randomUUID } from 'node:crypto'
import { linkSync, readlinkSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { ConfigError, systemCode } from './errors.js'
import { isAlive, statOf } from './guard/processes.js'
import { isDiskFault } from './log/disk-fault.js'
import { readIfThere } from './read-file.js'

/** The holder touches its lock this often. */
const BEAT_MS = 2_000
/** A lock from another host or container is stale when nobody has touched it for so long; only there, because there a process ID says nothing. */
const SILENT_MS = 10_000
const LOOK_MS = 250
const MAX_ROUNDS = 10
/** Of a lock, in characters: more than a process ID, a start time, a scope and a nonce take. */
const LENGTH = 256

export interface SpoolLock {
  /** The process that held it before has ended: it said so, or its process ID does. False when it was only silent. */
  readonly isFormerDead: boolean
  release(): void
}

/** For tests: how long to watch a lock whose holder cannot be seen, and where this process is. */
export type LockOptions = { silentMs?: number; beatMs?: number; scope?: string }

/** Of the running kernel; undefined where that is no Linux. */
export const bootId = (): string | undefined => readIfThere('/proc/sys/kernel/random/boot_id')?.trim()

/** Where process IDs mean the same: one boot of one kernel, and one PID namespace of it. */
function processScope(): string {
  const boot = bootId()
  try {
    return boot === undefined ? hostname() : `${boot}:${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname() // no Linux: then there are no PID namespaces either
  }
}

/**
 * Takes `worker.lock` in a spool folder, whose content names its holder: process ID, start time (a reused ID does not count), scope, and a nonce. A holder in the same
 * scope is asked by its process ID; one elsewhere (a volume shared by containers or hosts) by whether it goes on touching the lock. Throws ConfigError when
 * the folder is in use. `onLost`: another worker took the lock, because this one had been frozen for too long.
 */
export async function takeSpoolLock(dir: string, onLost: () => void, options: LockOptions = {}): Promise<SpoolLock> {
  const { silentMs = SILENT_MS, beatMs = BEAT_MS, scope = processScope() } = options
  const path = join(dir, 'worker.lock')
  // Of one length: it can be written over a former lock where there is no room for another file.
  const mine = `${`${process.pid} ${statOf(process.pid)?.start ?? ''} ${scope} ${randomUUID()}`.padEnd(LENGTH - 1)}\n`
  const candidate = `${path}.${randomUUID()}`
  let isFormerDead = true
  try {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const content = readIfThere(path)
      if (content === undefined) {
        if (readIfThere(candidate) === undefined) makeCandidate(candidate, spareOf(path), mine)
        // A link is made whole or not at all, and never over an existing file.
        if (linkIfFree(candidate, path)) return { isFormerDead, release: keep(path, mine, beatMs, onLost) }
        continue
      }
      const holder = await holderOf(path, content, scope, silentMs)
      if (holder !== undefined) throw new ConfigError(`--spool-dir (JOBTRAIL_SPOOL_DIR): ${dir} is in use by ${holder}; give each worker a folder of its own`)
      // One elsewhere may be frozen, with all that it started.
      isFormerDead = /^\d+ /.test(content) && scopeOf(content, scope) === scope
      removeStale(path, content)
    }
    throw new ConfigError(`--spool-dir (JOBTRAIL_SPOOL_DIR): ${path} keeps changing hands; give each worker a folder of its own`)
  } finally {
    rmSync(candidate, { force: true })
  }
}

/** What was a lock is kept, so that there is one to write over on a full disk: a worker must be able to start there, however often, to deliver what would free it. */
const spareOf = (path: string): string => `${path}.spare`

function makeCandidate(candidate: string, spare: string, text: string): void {
  try {
    writeFileSync(candidate, text, { mode: 0o600 })
  } catch (error) {
    if (!isDiskFault(error) || !renameIfThere(spare, candidate)) throw error
    writeFileSync(candidate, text, { flag: 'r+' })
  }
}

/** Touches the lock while it is held, and notices when it is not. Returns what releases it. */
function keep(path: string, mine: string, beatMs: number, onLost: () => void): () => void {
  const timer = setInterval(() => {
    const isMine = holdsStill(path, mine)
    if (isMine === true) touch(path)
    if (isMine !== false) return
    clearInterval(timer)
    onLost()
  }, beatMs)
  timer.unref()
  return () => {
    clearInterval(timer)
    if (readIfThere(path) === mine) renameIfThere(path, spareOf(path))
  }
}

/** Undefined where that cannot be seen just now: no descriptor is left, or the disk fails. */
function holdsStill(path: string, mine: string): boolean | undefined {
  try {
    return readIfThere(path) === mine
  } catch {
    return undefined // the next beat looks again
  }
}

function touch(path: string): void {
  const now = new Date()
  try {
    utimesSync(path, now, now)
  } catch (error) {
    // Taken away just now: the next beat sees it. A folder that has become read-only is the pipeline's trouble to tell.
    if (!['ENOENT', 'EROFS', 'EIO', 'ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'ESTALE'].includes(systemCode(error) ?? '')) throw error
  }
}

/** A lock of the version before names no scope: then it is this one. */
const scopeOf = (content: string, scope: string): string => content.trim().split(' ')[2] ?? scope

/** Who holds the lock, for people; undefined when it is stale. */
async function holderOf(path: string, content: string, scope: string, silentMs: number): Promise<string | undefined> {
  const [pidText = '', start = ''] = content.trim().split(' ')
  const itsScope = scopeOf(content, scope)
  const pid = Number(pidText)
  if (!Number.isInteger(pid) || pid <= 0) return undefined
  if (itsScope !== scope) return (await isTouched(path, silentMs)) ? `a worker on another host or in another container (process ID ${pid} there)` : undefined
  if (!isAlive(pid)) return undefined
  return start === '' || statOf(pid)?.start === start ? `the worker with process ID ${pid}` : undefined
}

/** Compares times of the file with each other only: its host's clock may be wrong. */
async function isTouched(path: string, silentMs: number): Promise<boolean> {
  const before = touchedAt(path)
  const until = performance.now() + silentMs
  while (performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    if (touchedAt(path) !== before) return true
  }
  return false
}

const touchedAt = (path: string): string => {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat === undefined ? '' : `${stat.ino} ${stat.mtimeMs}`
}

function linkIfFree(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  }
}

/** Moves a dead worker's lock away; puts it back when another worker replaced it since it was read. */
function removeStale(path: string, content: string): void {
  const moved = `${path}.${randomUUID()}.stale`
  if (!renameIfThere(path, moved)) return
  const isStale = readIfThere(moved) === content
  if (!isStale) linkIfFree(moved, path)
  if (isStale && content.length === LENGTH) renameSync(moved, spareOf(path))
  else rmSync(moved, { force: true })
}

function renameIfThere(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
}
