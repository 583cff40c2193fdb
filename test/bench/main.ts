import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { displayPath, REPO_ROOT } from '@jobtrail/deploy/paths'
import { killChildrenOnSignals } from '@jobtrail/deploy/process'
import { Bench } from './harness/bench.js'
import { type BenchOptions, BenchUsageError, parseOptions, usage } from './harness/options.js'
import { disturbance, jsonReport, type RowResult, textTable } from './harness/report.js'
import type { Row } from './harness/row.js'
import { ROWS } from './rows/all.js'

const RESULTS = join(REPO_ROOT, 'test/results/bench.json')

async function measure(bench: Bench, row: Row): Promise<RowResult> {
  process.stderr.write(`${row.id}: ${row.what}\n`)
  const before = bench.othersShares.length
  const othersShares = (): number[] => bench.othersShares.slice(before)
  try {
    return { row, figures: await row.measure(bench), othersShares: othersShares() }
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    return { row, figures: [], othersShares: othersShares(), error: error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error) }
  }
}

/** The exit code is not 0 when a row could not be measured; a missed target is only reported, for it says as much of the machine as of Jobtrail. */
async function run(options: BenchOptions): Promise<number> {
  const startedAt = new Date()
  const bench = await Bench.start(options)
  const results: RowResult[] = []
  try {
    for (const row of ROWS) if (options.only.length === 0 || options.only.includes(row.id)) results.push(await measure(bench, row))
  } finally {
    await bench.stop()
  }
  await mkdir(dirname(RESULTS), { recursive: true })
  await writeFile(RESULTS, `${JSON.stringify(jsonReport(results, options, startedAt), null, 2)}\n`)
  process.stdout.write(`\n${textTable(results)}\n\n${options.runs} runs each; figures are also in ${displayPath(RESULTS)}\n`)
  const warning = disturbance(results)
  if (warning !== undefined) process.stdout.write(`${warning}\n`)
  return results.some(({ error }) => error !== undefined) ? 1 : 0
}

async function main(argv: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(
      argv,
      ROWS.map(({ id }) => id),
    )
    if (options === 'help') {
      process.stdout.write(`${usage(ROWS)}\n`)
      return 0
    }
    if (process.platform !== 'linux') throw new BenchUsageError('the benchmarks read /proc and run on Linux only')
    return await run(options)
  } catch (error) {
    if (!(error instanceof BenchUsageError)) throw error
    process.stderr.write(`${error.message}\n${usage(ROWS)}\n`)
    return 2
  }
}

killChildrenOnSignals()
process.exitCode = await main(process.argv.slice(2))
