import { randomUUID } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hasCode } from './errno.js'
import { waitFor } from './wait.js'

/** A held lock file; `release` gives it back and may be called twice. */
export interface FileLock {
  release(): void
}

/** The lock is held by a living process. */
export class LockHeldError extends Error {
  override readonly name = 'LockHeldError'
  constructor(
    readonly path: string,
    readonly pid: number,
  ) {
    super(`${path} is held by process ${pid}`)
  }
}

/** When the process started, in kernel ticks (Linux): tells a reused process id from the old one. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may itself hold spaces and parentheses.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return '' // no /proc: the process id alone has to do
  }
}

/** Whether a process with this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return hasCode(error, 'EPERM')
  }
}

async function contentOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  })
}

/** The living process that a lock file names, if there is one. */
function holderOf(content: string): number | undefined {
  const [pidText = '', started = ''] = content.trim().split(' ')
  const pid = Number(pidText)
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return undefined
  return started === '' || startOf(pid) === started ? pid : undefined
}

/** Moves a dead process's lock away, unless it was replaced since `content` was read. */
async function removeStale(path: string, content: string): Promise<void> {
  const moved = `${path}.${process.pid}.stale`
  try {
    await rename(path, moved)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return
    throw error
  }
  // Someone else took the lock between our read and our move: hand it back.
  if ((await contentOf(moved)) !== content) await link(moved, path)
  await rm(moved, { force: true })
}

/** Takes the lock or throws LockHeldError; a lock left by a dead process is taken over. */
export async function acquireLock(path: string): Promise<FileLock> {
  const content = `${process.pid} ${startOf(process.pid)} ${randomUUID()}\n`
  const draft = `${path}.${randomUUID()}.draft`
  // Written first and linked into place, so that a lock file is never seen half written.
  await writeFile(draft, content, { mode: 0o600 })
  try {
    for (let attempt = 0; attempt < 20; attempt++) {
      try {
        await link(draft, path)
        return { release: () => releaseLock(path, content) }
      } catch (error) {
        if (!hasCode(error, 'EEXIST')) throw error
      }
      const held = await contentOf(path)
      if (held === undefined) continue
      const pid = holderOf(held)
      if (pid !== undefined) throw new LockHeldError(path, pid)
      await removeStale(path, held)
    }
  } finally {
    await rm(draft, { force: true })
  }
  throw new Error(`could not take the lock ${path}`)
}

function releaseLock(path: string, content: string): void {
  try {
    if (readFileSync(path, 'utf8') === content) rmSync(path)
  } catch (error) {
    // Gone already (an ephemeral folder was removed, or released twice): that is what we want.
    if (!hasCode(error, 'ENOENT')) throw error
  }
}

/** Runs `work` while holding the lock, waiting for other holders first. */
export async function withLock<T>(path: string, timeoutMs: number, work: () => Promise<T>): Promise<T> {
  const lock = await waitFor(
    async () => {
      try {
        return await acquireLock(path)
      } catch (error) {
        if (error instanceof LockHeldError) return undefined
        throw error
      }
    },
    { timeoutMs, what: `the lock ${path}`, intervalMs: 200 },
  )
  try {
    return await work()
  } finally {
    lock.release()
  }
}
