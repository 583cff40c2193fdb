#!/usr/bin/env node
// First, before the others have filled the heap.
// oxlint-disable-next-line import/no-unassigned-import
import './young-generation.js'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { scrubEnvironment } from '@jobtrail/process/scrub-secrets'
import { checkAll } from './check/check.js'
import { printFindings } from './check/finding.js'
import { type CommandLine, helpText, readCommandLine, workerVersion } from './config.js'
import { ConfigError } from './errors.js'
import { loadHandlers } from './handlers-module.js'
import { healthProblem } from './health.js'
import { installService, showService } from './install/install.js'
import { LocalWorker } from './local-worker.js'
import { makeLogger } from './logging.js'

/** What an interrupted program ends with, by custom. */
const INTERRUPTED_STATUS = 130

async function run({ config, handlersModule, isIsolated }: Extract<CommandLine, { kind: 'run' }>): Promise<void> {
  const log = makeLogger(config.logLevel, config.name)
  if (!scrubEnvironment(process.env, { more: [config.token] }))
    log.warn('the token cannot be taken out of the environment of this process, where jobs may read it: give --token-file')
  if (handlersModule !== undefined && !isIsolated && config.runAsUser !== undefined)
    throw new ConfigError('--run-as-user (JOBTRAIL_RUN_AS_USER): handlers run in the worker itself, as its user, unless --handler-isolation is process')
  // At once: nothing can be delivered, or the folder is another's by now. The guard ends what may still run.
  const worker = new LocalWorker(config, log, ({ exitStatus }) => process.exit(exitStatus))
  if (handlersModule !== undefined)
    for (const [name, handler] of await loadHandlers(handlersModule)) worker.handle(name, isIsolated ? { module: resolve(handlersModule) } : handler)

  let isStopping = false
  const stop = async (status: number): Promise<void> => {
    if (isStopping) process.exit(INTERRUPTED_STATUS) // asked twice: the guard kills what still runs
    isStopping = true
    try {
      await worker.stop()
    } catch (error) {
      log.fatal({ err: error }, 'the worker could not stop cleanly')
      process.exit(1)
    }
    process.exit(status)
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(0))
  // One handler's forgotten promise must not end the attempts of all others.
  process.on('unhandledRejection', (reason) => log.error({ err: reason }, 'a promise was rejected that nobody handles'))
  // After an exception outside of any promise the state is unknown: finish what runs, then let the service manager start a new process.
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught exception; stopping')
    if (!isStopping) void stop(1)
  })
  await worker.start()
}

/** Whether servers can be reached does not count: their outage is no reason to restart workers. */
function tellHealth(spoolDir: string): void {
  const problem = healthProblem(spoolDir)
  process.stdout.write(`${problem ?? 'healthy'}\n`)
  process.exitCode = problem === undefined ? 0 : 1
}

async function tellCheck(line: Extract<CommandLine, { kind: 'check' }>): Promise<void> {
  const findings = await checkAll(line.config, line)
  process.stdout.write(printFindings(findings))
  process.exitCode = findings.some(({ state }) => state === 'missing') ? 1 : 0
}

/** What a service is to start: this program, by its own path and not by a link that npm may move. */
const PROGRAM = [process.execPath, fileURLToPath(import.meta.url)] as const

/** Exit status 2: invalid configuration. 3: refused by every server. 4: its spool folder was taken over. 1: failed otherwise. */
async function main(): Promise<void> {
  try {
    const line = readCommandLine(process.argv.slice(2), process.env)
    if (line.kind === 'help') process.stdout.write(helpText())
    else if (line.kind === 'version') process.stdout.write(`${workerVersion()}\n`)
    else if (line.kind === 'health') tellHealth(line.spoolDir)
    else if (line.kind === 'check') await tellCheck(line)
    else if (line.kind === 'install') process.stdout.write((line.isOnlyPrinted ? showService : installService)(line, { program: PROGRAM }))
    else await run(line)
  } catch (error) {
    if (error instanceof ConfigError) {
      process.stderr.write(`jobtrail-worker: ${error.message}\n`)
      process.exit(2)
    }
    throw error
  }
}

await main()
