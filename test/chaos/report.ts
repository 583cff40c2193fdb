import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { REPO_ROOT } from '@jobtrail/deploy/paths'
import type { ChaosOptions } from './options.js'
import { type Findings, PROMISES, type Promised } from './oracle/findings.js'

/** What a run of the bench has found. */
export interface ChaosResult {
  readonly options: ChaosOptions
  readonly startedAt: Date
  readonly tookMs: number
  readonly faults: readonly { readonly name: string; readonly what: string; readonly count: number }[]
  readonly missing: readonly { readonly name: string; readonly why: string }[]
  readonly findings: Findings
  readonly runs: number
  readonly logStates: ReadonlyMap<string, number>
  readonly followed: number
  readonly answered: number
  readonly away: number
  readonly keptLogs: string | undefined
}

const PAGE = join(REPO_ROOT, 'docs/reliability.md')
const MARKERS = { begin: '<!-- begin chaos -->', end: '<!-- end chaos -->' }

const number = (value: number): string => value.toLocaleString('en-US')

export function totalFaults({ faults }: Pick<ChaosResult, 'faults'>): number {
  return faults.reduce((sum, { count }) => sum + count, 0)
}

/** Both tables in Markdown. */
export function tables(result: ChaosResult): string {
  const { findings, faults, missing } = result
  const promises = (Object.keys(PROMISES) as Promised[]).map(
    (promise) => `| ${PROMISES[promise]} | ${number(findings.checked(promise))} | ${number(findings.violated(promise))} |`,
  )
  const kinds = faults.map(({ name, what, count }) => `| \`${name}\` | ${what} | ${number(count)} |`)
  return [
    '| promise | checked | violated |',
    '| --- | ---: | ---: |',
    ...promises,
    '',
    '| fault | what happens | times |',
    '| --- | --- | ---: |',
    ...kinds,
    `| **all** | | **${number(totalFaults(result))}** |`,
    ...missing.map(({ name, why }) => `\nLeft out on this machine: \`${name}\`, because ${why}.`),
  ].join('\n')
}

/** Where, when and with what a run was made. */
export function circumstances(result: ChaosResult, commit: string): string {
  const { options, startedAt, tookMs, runs, logStates, followed, answered, away } = result
  const processors = cpus()
  const logs = [...logStates].map(([state, count]) => `${number(count)} ${state}`).join(', ')
  return [
    `Seed ${options.seed}, commit ${commit}, ${startedAt.toISOString().slice(0, 10)}; ${processors.length} × ${processors[0]?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}.`,
    `Faults for ${options.minutes} minutes, one every ${options.gapMs / 1_000} s on average; ${(tookMs / 60_000).toFixed(1)} minutes in all.`,
    `${number(runs)} runs, logs compared with what their processes wrote: ${logs}; ${number(followed)} logs followed live to their end; ${number(answered)} answers looked at, ${number(away)} calls found nobody or somebody who could not answer just then.`,
  ].join('\n')
}

/** The commit that is checked out, marked when files differ from it. */
export function currentCommit(): string {
  const git = (...args: string[]): string => execFileSync('git', ['-C', REPO_ROOT, ...args], { encoding: 'utf8', timeout: 10_000 }).trim()
  try {
    const isChanged = git('status', '--porcelain', '--untracked-files=no') !== ''
    return `${git('rev-parse', '--short', 'HEAD')}${isChanged ? ' with changes' : ''}`
  } catch {
    return 'unknown (not a git clone)'
  }
}

/** Text with what is between the markers replaced. */
export function replaceBetween(page: string, content: string): string {
  const [begin, end] = [page.indexOf(MARKERS.begin), page.indexOf(MARKERS.end)]
  if (begin < 0 || end < begin) throw new Error(`there is no ${MARKERS.begin} … ${MARKERS.end}`)
  return `${page.slice(0, begin + MARKERS.begin.length)}\n${content}\n${page.slice(end)}`
}

/** Puts the result into docs/reliability.md. */
export function writeReport(result: ChaosResult): void {
  writeFileSync(PAGE, replaceBetween(readFileSync(PAGE, 'utf8'), `${circumstances(result, currentCommit())}\n\n${tables(result)}`))
}
