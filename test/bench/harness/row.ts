import type { Bench } from './bench.js'

/** A bound that the issue of this benchmark set. */
export type Target = { atLeast: number } | { atMost: number }

/** One measured quantity: a value for each run. */
export interface Figure {
  what: string
  unit: string
  values: number[]
  /** Without one the figure only explains the others: a ceiling, a share of CPU. */
  target?: Target
}

/** One line of the table of benchmarks; may give several figures. */
export interface Row {
  id: string
  what: string
  measure: (bench: Bench) => Promise<Figure[]>
}

/** What each run gave for one quantity, gathered over the runs. */
export function figure<T>(runs: readonly T[], what: string, unit: string, value: (run: T) => number, target?: Target): Figure {
  return { what, unit, values: runs.map(value), ...(target === undefined ? {} : { target }) }
}

/** Whether the median keeps to the target. */
export function isMet(target: Target, median: number): boolean {
  return 'atLeast' in target ? median >= target.atLeast : median <= target.atMost
}
