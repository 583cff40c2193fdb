import { parseArgs } from 'node:util'
import { FAULTS } from './faults/all.js'

/** What the command line asks for. */
export interface ChaosOptions {
  readonly minutes: number
  readonly seed: number
  /** Kinds of faults; all when empty. */
  readonly faults: readonly string[]
  /** Mean time between two faults. */
  readonly gapMs: number
  /** After the last fault: how long nothing may have come to its end before what is left is said to be stuck. */
  readonly quietMs: number
  /** Jobs; all when empty. */
  readonly jobs: readonly string[]
  readonly keep: boolean
  readonly write: boolean
}

/** The command line is wrong; the message says how. */
export class ChaosUsageError extends Error {
  override readonly name = 'ChaosUsageError'
}

export const DEFAULTS: ChaosOptions = { minutes: 3, seed: 1, faults: [], gapMs: 2_000, quietMs: 120_000, jobs: [], keep: false, write: false }

export function usage(): string {
  return `Usage: npm run chaos -- [--minutes M] [--seed S] [--gap MS] [--faults kind,kind] [--jobs name,name] [--keep] [--write]
  --minutes M     how long faults are inflicted (${DEFAULTS.minutes}); then everything has to come to its end
  --seed S        the plan of the faults follows from it (${DEFAULTS.seed})
  --gap MS        mean time between two faults (${DEFAULTS.gapMs})
  --quiet SECONDS so long without anything ending, and what is left is stuck (${DEFAULTS.quietMs / 1_000})
  --faults A,B    only these kinds; a part of a name stands for all that begin with it:
${FAULTS.map(({ name, what }) => `    ${name.padEnd(20)}${what}`).join('\n')}
  --jobs A,B      only these jobs of the load
  --keep          keeps the folder with all data; logs are kept whenever something was wrong
  --write         writes the table into docs/reliability.md`
}

/** Throws {@link ChaosUsageError}. */
export function parseOptions(argv: readonly string[]): ChaosOptions | 'help' {
  let values
  try {
    const text = { type: 'string' } as const
    const flag = { type: 'boolean', default: false } as const
    ;({ values } = parseArgs({
      args: [...argv],
      options: { minutes: text, seed: text, gap: text, quiet: text, faults: text, jobs: text, keep: flag, write: flag, help: flag },
    }))
  } catch (error) {
    throw new ChaosUsageError(error instanceof Error ? error.message : String(error))
  }
  if (values.help) return 'help'
  const asked = listOf(values.faults)
  const unknown = asked.find((part) => !FAULTS.some(({ name }) => name.startsWith(part)))
  if (unknown !== undefined) throw new ChaosUsageError(`there is no kind of fault "${unknown}"`)
  return {
    minutes: numberOf('--minutes', values.minutes, DEFAULTS.minutes, 0.1, 600),
    seed: numberOf('--seed', values.seed, DEFAULTS.seed, 0, 4_294_967_295),
    gapMs: numberOf('--gap', values.gap, DEFAULTS.gapMs, 50, 600_000),
    quietMs: numberOf('--quiet', values.quiet, DEFAULTS.quietMs / 1_000, 1, 3_600) * 1_000,
    faults: FAULTS.map(({ name }) => name).filter((name) => asked.some((part) => name.startsWith(part))),
    jobs: listOf(values.jobs),
    keep: values.keep,
    write: values.write,
  }
}

function listOf(text: string | undefined): string[] {
  return text === undefined ? [] : text.split(',').filter((part) => part !== '')
}

function numberOf(option: string, text: string | undefined, fallback: number, min: number, max: number): number {
  const value = text === undefined ? fallback : Number(text)
  if (!(value >= min && value <= max)) throw new ChaosUsageError(`${option} has to be a number from ${min} to ${max}, not "${text}"`)
  return value
}
