import { randomUUID } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { ConfigError, describeError, systemCode } from './errors.js'
import { isAlive, statOf } from './guard/processes.js'

const IdentityFile = z.object({ workerId: z.uuid() })

/** A spool folder in use by this process: who the worker is, and the lock that keeps a second worker out. */
export interface SpoolHold {
  readonly workerId: string
  release(): void
}

/** Takes the spool folder for this process, making it where it is missing. A restarted worker finds its former id there and is the same worker. */
export function holdSpool(dir: string): SpoolHold {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    const release = acquireLock(dir)
    try {
      return { workerId: readOrMakeId(dir), release }
    } catch (error) {
      release()
      throw error
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError(`--spool-dir (JOBTRAIL_SPOOL_DIR): ${dir} cannot be used; give a folder that the worker may write (${describeError(error)})`, error)
  }
}

function readOrMakeId(dir: string): string {
  const path = join(dir, 'worker.json')
  const text = readIfThere(path)
  if (text !== undefined) {
    const parsed = IdentityFile.safeParse(parseJson(text))
    if (parsed.success) return parsed.data.workerId
    throw new ConfigError(`${path} is damaged; remove it to make a new worker of this folder`)
  }
  const workerId = randomUUID()
  // Renamed into place: a torn write never becomes an identity.
  writeFileSync(`${path}.new`, `${JSON.stringify({ workerId })}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
  return workerId
}

/** Takes `worker.lock` (content: process id and its start time, so that a reused id does not count). */
function acquireLock(dir: string): () => void {
  const path = join(dir, 'worker.lock')
  const mine = `${process.pid} ${statOf(process.pid)?.start ?? ''}\n`
  const candidate = `${path}.${process.pid}.${randomUUID()}`
  writeFileSync(candidate, mine, { mode: 0o600 })
  try {
    for (let round = 0; round < 10; round++) {
      // A link is made whole or not at all, and never over an existing file.
      if (linkIfFree(candidate, path)) return () => releaseLock(path, mine)
      const content = readIfThere(path)
      if (content === undefined) continue
      const holder = holderOf(content)
      if (holder !== undefined)
        throw new ConfigError(
          `--spool-dir (JOBTRAIL_SPOOL_DIR): ${dir} is in use by the worker with process id ${holder}; give each worker a folder of its own`,
        )
      removeStale(path, content)
    }
    throw new ConfigError(`--spool-dir (JOBTRAIL_SPOOL_DIR): ${path} keeps changing hands; give each worker a folder of its own`)
  } finally {
    rmSync(candidate, { force: true })
  }
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

function holderOf(content: string): number | undefined {
  const [pidText = '', start = ''] = content.trim().split(' ')
  const pid = Number(pidText)
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return undefined
  return start === '' || statOf(pid)?.start === start ? pid : undefined
}

/** Moves a dead worker's lock away; puts it back when another worker replaced it since it was read. */
function removeStale(path: string, content: string): void {
  const moved = `${path}.${process.pid}.stale`
  try {
    renameSync(path, moved)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    throw error
  }
  if (readIfThere(moved) !== content) linkIfFree(moved, path)
  rmSync(moved, { force: true })
}

function releaseLock(path: string, mine: string): void {
  if (readIfThere(path) === mine) rmSync(path, { force: true })
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // the schema says what is wrong with it
  }
}
