import { readdirSync, readFileSync } from 'node:fs'

/** A process that belongs to the bench, by a variable that all processes of one run of it inherit. */
export interface FoundProcess {
  readonly pid: number
  readonly command: string
  /** `<instance>_<task>_<attempt>`, or empty. */
  readonly attempt: string
}

export const RUN_VARIABLE = 'CHAOS_RUN'

function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return '' // it ended while it was looked at
  }
}

/** Every living process of a run of the bench, other than this one. Linux only. */
export function processesOf(run: string): FoundProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      const environment = read(pid, 'environ').split('\0')
      if (!environment.includes(`${RUN_VARIABLE}=${run}`)) return []
      const state = /\) (\S)/.exec(read(pid, 'stat'))?.[1]
      if (state === undefined || state === 'Z' || state === 'X') return []
      const attempt = environment.find((variable) => variable.startsWith('JOBTRAIL_ATTEMPT='))?.slice('JOBTRAIL_ATTEMPT='.length) ?? ''
      return [{ pid: Number(pid), command: read(pid, 'cmdline').replaceAll('\0', ' ').trim().slice(0, 120), attempt }]
    })
}

/** Processes of attempts that are over. `running`: attempts of which something may run, as `<instance>_<task>_<attempt>`. */
export function leftoverProblems(found: readonly FoundProcess[], mayRun: (attempt: string) => boolean): string[] {
  return found
    .filter(({ attempt }) => attempt !== '' && !mayRun(attempt))
    .map(({ pid, command, attempt }) => `process ${pid} of attempt ${attempt}, which has ended, still runs: ${command}`)
}
