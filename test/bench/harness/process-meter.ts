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
