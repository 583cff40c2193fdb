import { accessSync, constants, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { systemCode } from '../errors.js'

/** What `/proc/<pid>/stat` says that matters here. `start` is in kernel ticks: it tells a reused process id from the old one. */
export type ProcessStat = {
  pid: number
  name: string
  group: number
  start: string
  isZombie: boolean
  /** The signal that it dies or died of, once it is on its way out; 0: none. */
  endSignal: number | undefined
}

/** In the kernel's flags of a process that is exiting. */
const PF_EXITING = 4

/** Reads `/proc/<pid>/stat`; undefined when there is no such process (or no /proc). */
export function statOf(pid: number): ProcessStat | undefined {
  const text = readProc(pid, 'stat')
  if (text === undefined) return undefined
  // The name in parentheses may itself hold spaces and parentheses.
  const nameEnd = text.lastIndexOf(')')
  const fields = text.slice(nameEnd + 2).split(' ')
  return {
    pid,
    name: text.slice(text.indexOf('(') + 1, nameEnd),
    group: Number(fields[2]),
    start: fields[19] ?? '',
    isZombie: fields[0] === 'Z' || fields[0] === 'X',
    endSignal: (Number(fields[6]) & PF_EXITING) === 0 ? undefined : Number(fields[49] ?? 0) & 0x7f,
  }
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

/** Signals a whole process group; false when it is gone. Only for a group whose leader is known to be ours. */
export function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  return signalProcess(-group, signal)
}

/** False when the process is gone, or runs as a user whose processes we may not signal. */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    if (systemCode(error) === 'ESRCH' || systemCode(error) === 'EPERM') return false
    throw error
  }
}

/** Processes vanish while they are looked at, and the environment of other users' processes is closed to us: both read as absent. */
export function readProc(...path: (number | string)[]): string | undefined {
  try {
    return readFileSync(`/proc/${path.join('/')}`, 'latin1')
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return undefined
    throw error
  }
}

/** A moment, told by process IDs: the newest one, and how many processes there had been since the boot. */
export type PidMoment = { newest: number; forks: number }

/** Undefined where the system does not say. */
export function pidMoment(): PidMoment | undefined {
  const forks = Number(/^processes (\d+)$/m.exec(readProc('stat') ?? '')?.[1])
  const newest = newestPid()
  return forks > 0 && newest > 0 ? { newest, forks } : undefined
}

/** Whether every process that was started since then has a higher ID than the newest of then: false once IDs may have begun anew. */
export function areIdsHigherSince(then: PidMoment, now: PidMoment): boolean {
  const highest = Number(readProc('sys/kernel/pid_max'))
  // Half of it: a fork that fails may take an ID without being counted.
  return now.newest >= then.newest && now.forks - then.forks < highest / 2
}

/** The ID that was given last: the last field of /proc/loadavg. */
export const newestPid = (): number => Number(readProc('loadavg')?.trim().split(' ').at(-1))

/** Where a program would be started from; undefined when there is none. */
export function findProgram(file: string, path: string, cwd: string): string | undefined {
  const candidates = file.includes('/') ? [resolve(cwd, file)] : path.split(':').map((dir) => resolve(cwd, dir, file))
  return candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK)
      return true
    } catch {
      return false // the question was whether it can be started
    }
  })
}
