import { type Dirent, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A line that a job's process appended to the file of its run. All processes of a run append to one file, so its order is that in which they wrote. */
export interface WitnessLine {
  readonly event: string
  readonly attempt: number
  readonly pid: number
  /** Seconds since the machine was started: a clock that no step moves. */
  readonly uptime: number
  readonly detail: string
}

/** Format: `<event> <attempt> <pid> <uptime> <detail>`; `detail` may be absent. A line that a SIGKILL cut is left out. */
export function parseWitness(text: string): WitnessLine[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [event = '', attempt = '', pid = '', uptime = '', ...detail] = line.split(' ')
      return { event, attempt: Number(attempt), pid: Number(pid), uptime: Number(uptime), detail: detail.join(' ') }
    })
}

/** What was wrong about who ran when, as the processes themselves tell it. */
export function attemptProblems(lines: readonly WitnessLine[]): string[] {
  const problems: string[] = []
  const starters = new Map<number, number>()
  let latest = 0
  for (const { event, attempt, pid, uptime } of lines) {
    if (event === 'overlap') problems.push(`attempt ${attempt} started at ${uptime} s while another process of the run held its lock`)
    if (event === 'crowded') problems.push(`attempt ${attempt} started at ${uptime} s although as many runs as maxConcurrent allows were running`)
    if (event === 'start') {
      const before = starters.get(attempt)
      if (before !== undefined) problems.push(`attempt ${attempt} was started twice, as processes ${before} and ${pid}`)
      starters.set(attempt, pid)
    }
    if (attempt < latest) problems.push(`attempt ${attempt} (process ${pid}) said "${event}" at ${uptime} s, after attempt ${latest} had started`)
    latest = Math.max(latest, attempt)
  }
  return problems
}

/** How many lines an attempt says to have handed to its pipe. */
export function linesWritten(lines: readonly WitnessLine[], attempt: number): number {
  return lines.reduce((most, line) => (line.event === 'wrote' && line.attempt === attempt ? Math.max(most, Number(line.detail)) : most), 0)
}

export const hasStopped = (lines: readonly WitnessLine[], attempt: number): boolean => lines.some((line) => line.event === 'stop' && line.attempt === attempt)

/** A lost attempt of which no process was started has no worker that could come back with the rest of its log: that stays interrupted for good. */
export const staysInterrupted = (lines: readonly WitnessLine[], attempt: number, logState: string): boolean =>
  logState === 'interrupted' && !lines.some((line) => line.attempt === attempt)

/** The folder into which jobs write, a file for each run. */
export class WitnessFolder {
  constructor(readonly dir: string) {}

  read(instanceId: string): WitnessLine[] {
    const file = join(this.dir, instanceId)
    return existsSync(file) ? parseWitness(readFileSync(file, 'utf8')) : []
  }

  get instanceIds(): string[] {
    return readdirSync(this.dir, { withFileTypes: true })
      .filter((entry: Dirent) => entry.isFile() && /^[0-9a-f-]{36}$/.test(entry.name))
      .map(({ name }) => name)
  }
}
