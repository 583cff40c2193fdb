import { readdirSync, readFileSync } from 'node:fs'
import { systemCode } from '../errors.js'

/** Environment variable that every process of an attempt inherits; its value is the attempt's key string. */
export const ATTEMPT_MARKER = 'JOBTRAIL_ATTEMPT'

/** What `/proc/<pid>/stat` says that matters here. `start` is in kernel ticks: it tells a reused process id from the old one. */
export type ProcessStat = { pid: number; group: number; start: string; isZombie: boolean }

/** Reads `/proc/<pid>/stat`; undefined when there is no such process (or no /proc). */
export function statOf(pid: number): ProcessStat | undefined {
  const text = readOrUndefined(`/proc/${pid}/stat`)
  if (text === undefined) return undefined
  // The name in parentheses may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { pid, group: Number(fields[2]), start: fields[19] ?? '', isZombie: fields[0] === 'Z' || fields[0] === 'X' }
}

/** Whether a process with this id runs; one that is dead and only not yet reaped by its parent does not. */
export function isAlive(pid: number): boolean {
  if (statOf(pid)?.isZombie === true) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
}

/** Signals a whole process group; false when it is gone. */
export function signalGroup(group: number, signal: NodeJS.Signals): boolean {
  return signalProcess(-group, signal)
}

function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    // EPERM: what is left runs as another user (setuid) and is not ours to kill.
    if (systemCode(error) === 'ESRCH' || systemCode(error) === 'EPERM') return false
    throw error
  }
}

/** Processes that carry the marker of one of these attempts, wherever they went (Linux; elsewhere there is no /proc, and groups have to do). */
export function findMarked(keys: ReadonlySet<string>): ProcessStat[] {
  const found: ProcessStat[] = []
  if (keys.size === 0) return found
  for (const entry of listProc()) {
    const pid = Number(entry)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    const environment = readOrUndefined(`/proc/${pid}/environ`)
    if (environment === undefined) continue
    const key = environment.split('\0').find((variable) => variable.startsWith(`${ATTEMPT_MARKER}=`))
    if (key === undefined || !keys.has(key.slice(ATTEMPT_MARKER.length + 1))) continue
    const stat = statOf(pid)
    if (stat !== undefined) found.push(stat)
  }
  return found
}

/** An attempt's process group as it is known to the guard and on disk. `group` is undefined while the process is being started. */
export type AttemptGroup = { key: string; group: number | undefined; start: string | undefined }

/**
 * SIGKILLs everything that is left of these attempts: their groups, and by the marker what left its group. Repeats while it finds something new, for what
 * was forking meanwhile. `isOwned`: the groups are certainly still theirs (the leader is not reaped, or was a moment ago); otherwise a group is killed only
 * when its leader's start time or a marker in it proves it. Returns how many it found.
 */
export function killAttempts(attempts: readonly AttemptGroup[], isOwned: boolean): number {
  const keys = new Set(attempts.map(({ key }) => key))
  let killed = 0
  for (const { group, start } of attempts) {
    if (group === undefined) continue
    if (!isOwned && (start === undefined || statOf(group)?.start !== start)) continue
    if (signalGroup(group, 'SIGKILL')) killed += 1
  }
  const groups = new Set(attempts.flatMap(({ group }) => (group === undefined ? [] : [group])))
  for (let round = 0; round < 10; round++) {
    const marked = findMarked(keys)
    if (marked.length === 0) break
    for (const { pid, group } of marked) {
      if (groups.has(group)) signalGroup(group, 'SIGKILL')
      else signalProcess(pid, 'SIGKILL')
    }
    killed += round === 0 ? marked.length : 0
  }
  return killed
}

function listProc(): string[] {
  try {
    return readdirSync('/proc')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}

/** Processes vanish while they are looked at, and other users' are closed to us: both read as absent. */
function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return undefined
    throw error
  }
}
