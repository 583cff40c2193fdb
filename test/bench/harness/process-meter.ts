import { readFileSync, writeFileSync } from 'node:fs'
import { hasCode } from '@jobtrail/deploy/errno'

/** Of /proc/…/stat; the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** CPU seconds of a process, and of those of its children that have ended. */
export interface CpuTime {
  own: number
  children: number
}

function read(pid: number, file: string): string {
  return readFileSync(`/proc/${pid}/${file}`, 'utf8')
}

/** CPU time used so far. */
export function cpuTime(pid: number): CpuTime {
  const stat = read(pid, 'stat')
  // The name of the program, in brackets, may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const seconds = (...at: number[]): number => at.reduce((sum, index) => sum + Number(fields[index]), 0) / TICKS_PER_SECOND
  return { own: seconds(11, 12), children: seconds(13, 14) }
}

/** CPU seconds of a process, of those that it has started, and of theirs; the ended ones too. */
export function treeSeconds(pid: number): number {
  return [pid, ...childrenOf(pid)].reduce((sum, each) => sum + secondsOf(each), 0)
}

function secondsOf(pid: number): number {
  try {
    const { own, children } = cpuTime(pid)
    return own + children
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH')) return 0 // it has just ended, and its parent counts it
    throw error
  }
}

/** Seconds that all cores together were busy since the machine was started. */
export function machineSeconds(): number {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] =
    readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.split(/\s+/).map(Number) ?? []
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND
}

function statusMib(pid: number, field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(read(pid, 'status'))
  if (match === null) throw new Error(`/proc/${pid}/status has no ${field}`)
  return Number(match[1]) / 1024
}

/** Memory of a process now, in MiB. */
export function residentMib(pid: number): number {
  return statusMib(pid, 'VmRSS')
}

/** The most memory that a process had since it began or since {@link forgetPeak}, in MiB. */
export function peakMib(pid: number): number {
  return statusMib(pid, 'VmHWM')
}

/** The peak is what it has now. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

/** The processes that a process has started and that run now, with theirs. */
export function childrenOf(pid: number): number[] {
  try {
    const own = read(pid, `task/${pid}/children`).trim()
    const children = own === '' ? [] : own.split(' ').map(Number)
    return children.flatMap((child) => [child, ...childrenOf(child)])
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH')) return [] // it has just ended
    throw error
  }
}
