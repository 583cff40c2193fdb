import { displayPath } from '@jobtrail/deploy/paths'
import { killChildrenOnSignals } from '@jobtrail/deploy/process'
import { runChaos } from './bench.js'
import { ChaosUsageError, parseOptions, usage } from './options.js'
import { circumstances, currentCommit, tables, totalFaults, writeReport } from './report.js'

/** The exit code: 0 when every promise held, 1 when one did not, 2 for a wrong command line. */
async function main(argv: readonly string[]): Promise<number> {
  const print = (line: string): void => void process.stdout.write(`${line}\n`)
  try {
    const options = parseOptions(argv)
    if (options === 'help') {
      print(usage())
      return 0
    }
    if (process.platform !== 'linux') throw new ChaosUsageError('the fault bench reads /proc and runs on Linux only')
    const result = await runChaos(options, print)
    print(`\n${circumstances(result, currentCommit())}\n\n${tables(result)}\n`)
    if (options.write) writeReport(result)
    const violations = result.findings.totalViolations
    if (result.keptLogs !== undefined) print(`logs of all processes, and what the jobs saw: ${displayPath(result.keptLogs)}`)
    print(
      `${totalFaults(result)} faults, ${result.findings.totalChecks} checks, ${violations} violations; again with --minutes ${options.minutes} --seed ${options.seed}`,
    )
    return violations === 0 ? 0 : 1
  } catch (error) {
    if (!(error instanceof ChaosUsageError)) throw error
    process.stderr.write(`${error.message}\n${usage()}\n`)
    return 2
  }
}

killChildrenOnSignals()
// Node's own end may wait for ever, busily, for a request on a connection that was cut.
process.exit(await main(process.argv.slice(2)))
