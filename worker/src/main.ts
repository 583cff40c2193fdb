#!/usr/bin/env node
// First, before the others have filled the heap.
// oxlint-disable-next-line import/no-unassigned-import
import './young-generation.js'
import { type CommandLine, helpText, readCommandLine, workerVersion } from './config.js'
import { ConfigError } from './errors.js'
import { loadHandlers } from './handlers-module.js'
import { makeLogger } from './logging.js'
import { JobtrailWorker } from './sdk.js'

/** What an interrupted program ends with, by custom. */
const INTERRUPTED_STATUS = 130

async function run({ config, handlersModule }: Extract<CommandLine, { kind: 'run' }>): Promise<void> {
  const log = makeLogger(config.logLevel, config.name)
  const worker = new JobtrailWorker(config, log)
  if (handlersModule !== undefined) for (const [name, handler] of await loadHandlers(handlersModule)) worker.handle(name, handler)

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

/** Exit status 2: told wrongly. 1: failed. */
async function main(): Promise<void> {
  try {
    const line = readCommandLine(process.argv.slice(2), process.env)
    if (line.kind === 'help') process.stdout.write(helpText())
    else if (line.kind === 'version') process.stdout.write(`${workerVersion()}\n`)
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
