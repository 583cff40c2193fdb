import { execFileSync } from 'node:child_process'
import { arch, cpus, totalmem } from 'node:os'
import { REPO_ROOT } from '@jobtrail/deploy/paths'
import type { BenchOptions } from './options.js'
import { type Figure, isMet, type Row, type Target } from './row.js'
import { spreadOf } from './statistics.js'

/** What a row gave, or why it gave nothing. */
export interface RowResult {
  row: Row
  figures: Figure[]
  /** Of the machine, taken by other programs in each run; from 0 to 1. Empty where the figures come from the runs of a row before. */
  othersShares: number[]
  error?: string
}

/** What a system that does nothing else may use. */
const MUCH = 0.08

type Verdict = 'met' | 'MISSED' | ''

function verdictOf({ target, values }: Figure): Verdict {
  if (target === undefined) return ''
  return isMet(target, spreadOf(values).median) ? 'met' : 'MISSED'
}

function number(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits })
}

function targetText(target: Target | undefined): string {
  if (target === undefined) return ''
  return 'atLeast' in target ? `≥ ${target.atLeast.toLocaleString('en-US')}` : `≤ ${target.atMost.toLocaleString('en-US')}`
}

/** A table of text: each row of benchmarks, and below it its figures. */
export function textTable(results: readonly RowResult[]): string {
  const lines = [['', 'unit', 'min', 'median', 'max', 'to reach', '']]
  const titles = new Map<number, string>()
  for (const { row, figures, error } of results) {
    titles.set(lines.length, `${row.id}: ${row.what}`)
    lines.push([])
    for (const each of figures) {
      const { min, median, max } = spreadOf(each.values)
      lines.push([`  ${each.what}`, each.unit, number(min), number(median), number(max), targetText(each.target), verdictOf(each)])
    }
    if (error !== undefined) {
      titles.set(lines.length, `  FAILED: ${error}`)
      lines.push([])
    }
  }
  const widths = [0, 1, 2, 3, 4, 5, 6].map((column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)))
  const isText = (column: number): boolean => column < 2 || column > 5
  return lines
    .map(
      (cells, i) =>
        titles.get(i) ??
        cells
          .map((cell, column) => (isText(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
          .join('  ')
          .trimEnd(),
    )
    .join('\n')
}

/** Warns where other programs took so much that the figures are not those of Jobtrail alone; undefined where none did. */
export function disturbance(results: readonly RowResult[]): string | undefined {
  const disturbed = results.filter(({ othersShares }) => othersShares.some((share) => share > MUCH))
  if (disturbed.length === 0) return undefined
  const list = disturbed.map(({ row, othersShares }) => `${row.id} ${Math.round(100 * Math.max(...othersShares))} %`)
  return `Other programs took part of the machine, which makes these rows worse than they are: ${list.join(', ')}`
}

/** What the JSON file holds. */
export function jsonReport(results: readonly RowResult[], options: BenchOptions, startedAt: Date): object {
  const [cpu] = cpus()
  return {
    startedAt: startedAt.toISOString(),
    seconds: Math.round((Date.now() - startedAt.getTime()) / 1_000),
    commit: commit(),
    machine: { cpu: cpu?.model ?? 'unknown', cores: cpus().length, memoryGib: Math.round(totalmem() / 2 ** 30), arch: arch(), node: process.version },
    runs: options.runs,
    quick: options.quick,
    profile: options.profile,
    rows: results.map(({ row, figures, othersShares, error }) => ({
      id: row.id,
      what: row.what,
      ...(error === undefined ? {} : { error }),
      othersShares,
      figures: figures.map((each) => ({ ...each, ...spreadOf(each.values), ...(each.target === undefined ? {} : { met: verdictOf(each) === 'met' }) })),
    })),
  }
}

/** Of the checked-out source; unknown outside of a git repository. */
function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], { cwd: REPO_ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return 'unknown'
  }
}
