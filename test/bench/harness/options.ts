import { parseArgs } from 'node:util'

/** What the command line asks for. */
export interface BenchOptions {
  /** Rows to measure; all when empty. */
  only: string[]
  runs: number
  quick: boolean
  profile: boolean
}

/** The command line is wrong; the message says how. */
export class BenchUsageError extends Error {
  override readonly name = 'BenchUsageError'
}

/** The help text. */
export function usage(rows: readonly { id: string; what: string }[]): string {
  const list = rows.map(({ id, what }) => `    ${id.padEnd(14)}${what}`).join('\n')
  return `Usage: npm run bench -- [--only <row>]… [--runs N] [--quick] [--profile]
  --only ROW  measure only this row; may be given several times. Rows:
${list}
  --runs N    measure each row so many times (3)
  --quick     a smaller load and one run: shows that all works, not how fast it is
  --profile   servers and workers write CPU profiles to test/results/profiles (and are slower)`
}

/** Throws {@link BenchUsageError}. */
export function parseOptions(argv: readonly string[], rowIds: readonly string[]): BenchOptions | 'help' {
  let values
  try {
    ;({ values } = parseArgs({
      args: [...argv],
      options: {
        only: { type: 'string', multiple: true, default: [] },
        runs: { type: 'string' },
        quick: { type: 'boolean', default: false },
        profile: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }))
  } catch (error) {
    throw new BenchUsageError(error instanceof Error ? error.message : String(error))
  }
  if (values.help) return 'help'
  const unknown = values.only.find((id) => !rowIds.includes(id))
  if (unknown !== undefined) throw new BenchUsageError(`there is no row "${unknown}"`)
  const runs = values.runs ?? (values.quick ? '1' : '3')
  if (!/^[1-9]\d?$/.test(runs)) throw new BenchUsageError(`--runs has to be a number from 1 to 99, not "${runs}"`)
  return { only: values.only, runs: Number(runs), quick: values.quick, profile: values.profile }
}
