import { existsSync, readdirSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isPopulated, killCgroup, pidsIn, removeCgroup } from './cgroups.js'
import { MarkerReader } from './markers.js'
import { areIdsHigherSince, isAlive, newestPid, type PidMoment, pidMoment, type ProcessStat, signalGroup, signalProcess, statOf } from './processes.js'

/** What is known of an attempt's processes, to the guard and on disk. `group` is undefined while the process is being started. */
export type AttemptGroup = {
  key: string
  group: number | undefined
  /** Start time of the group's leader, which tells a group ID that was reused. */
  start: string | undefined
  /** Folder of its control group. */
  cgroup: string | undefined
  /** It was in its control group before it could start anything. */
  isContained?: boolean
  /** Before it was started: no older process can be its. */
  since?: PidMoment | undefined
}

/** Processes found alive, by attempt. They have been sent SIGKILL; those that are still found in a later pass do not heed it (yet). */
export type Found = Map<string, ProcessStat[]>

const hasProc = existsSync('/proc/self/stat')
/** Processes looked at in one turn of the event loop. */
const PER_TURN = 64
const MAX_CHASE_STEPS = 1_000
const MAX_CHASED = 10_000

/** Sends SIGKILL at once to what needs no search: the control group, and the process group if its leader is still the one that we started. */
export function killKnown({ group, start, cgroup }: AttemptGroup): void {
  if (cgroup !== undefined) killCgroup(cgroup)
  if (group === undefined) return
  if (hasProc ? start !== undefined && statOf(group)?.start === start : true) signalGroup(group, 'SIGKILL')
}

/**
 * One look for everything that is left of these attempts, each process killed where it is found: one that hops from fork to fork would be gone after the look.
 * Found by control group and by marker; a process that was found may be dead by now.
 */
export async function killPass(attempts: readonly AttemptGroup[]): Promise<Found> {
  const found: Found = new Map()
  for (const attempt of attempts) {
    killKnown(attempt)
    if (!hasProc && attempt.group !== undefined && signalGroup(attempt.group, 0))
      found.set(attempt.key, [{ pid: attempt.group, name: 'process group', group: attempt.group, start: '', isZombie: false, endSignal: undefined }])
  }
  if (!hasProc) return found
  const note = (key: string, pid: number): void => {
    const stat = statOf(pid)
    if (stat === undefined || stat.isZombie) return
    signalProcess(pid, 'SIGKILL')
    found.set(key, [...(found.get(key) ?? []), stat])
  }
  const markers = new MarkerReader(new Set(attempts.map(({ key }) => key)))
  const lookAt = (pid: number): void => {
    if (!Number.isInteger(pid) || pid === process.pid) return
    const key = markers.keyOf(pid)
    if (key !== undefined) note(key, pid)
  }
  const newest = newestPid()
  const oldest = newestBefore(attempts)
  const pids = readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > oldest)
  for (const [i, pid] of pids.entries()) {
    lookAt(pid)
    if (i % PER_TURN === PER_TURN - 1) await nextTurn()
  }
  chase(newest, lookAt)
  for (const { key, cgroup } of attempts) {
    if (cgroup === undefined || !isPopulated(cgroup)) continue
    const known = new Set(found.get(key)?.map(({ pid }) => pid))
    for (const pid of pidsIn(cgroup)) if (!known.has(pid)) note(key, pid)
  }
  return found
}

/**
 * Looks at the processes that were started since `newest` was the newest, until there is no new one: a process that starts another and ends slips through a list, but
 * not through this, for its child has a higher ID. Throws when IDs began anew meanwhile, or when processes are started faster than they can be looked at.
 */
function chase(newest: number, lookAt: (pid: number) => void): void {
  for (let step = 0, from = newest; step < MAX_CHASE_STEPS; step++) {
    const to = newestPid()
    if (to === from) return
    if (to < from || to - from > MAX_CHASED) break
    for (let pid = from + 1; pid <= to; pid++) lookAt(pid)
    from = to
  }
  throw new Error('Too many processes were started during the look to say what runs')
}

/**
 * The processes of these attempts have higher IDs than this; 0 where that cannot be said. Reading what a process inherited takes a hundred times as long as listing it, so a
 * short attempt must not pay for all that runs on the machine.
 */
function newestBefore(attempts: readonly AttemptGroup[]): number {
  const now = pidMoment()
  const floors = attempts.map(({ since, group }) => {
    if (now === undefined || since === undefined || group === undefined || group <= since.newest) return 0
    return areIdsHigherSince(since, now) ? since.newest : 0
  })
  return Math.min(...floors)
}

/** Whether the control group of an attempt is empty. False also where that cannot be seen just now (no descriptor is left, say). */
export function isEmptied({ cgroup, isContained }: AttemptGroup): boolean {
  if (cgroup === undefined || isContained !== true) return false
  try {
    return !isPopulated(cgroup)
  } catch {
    return false
  }
}

/** When nothing of the attempt is left. */
export function forget({ cgroup }: AttemptGroup): void {
  if (cgroup !== undefined) removeCgroup(cgroup)
}

/** For people: `sleep (4711), dd (4712)`. */
export function describeProcesses(processes: readonly ProcessStat[]): string {
  const shown = processes.slice(0, 10).map(({ pid, name }) => `${name} (${pid}${isAlive(pid) && !signalProcess(pid, 0) ? ', of another user' : ''})`)
  return processes.length > shown.length ? `${shown.join(', ')} and ${processes.length - shown.length} more` : shown.join(', ')
}
