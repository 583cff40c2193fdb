// What `npm start` does once everything is installed and built.
import { scrubEnvironment, SERVER_ADDRESSES } from '@jobtrail/process/scrub-secrets'
import { DataFolder } from './data-folder.js'
import { USAGE, UsageError, type StartOptions, parseOptions } from './options.js'
import { displayPath } from './paths.js'
import { portProblem } from './ports.js'
import { killAllNow } from './process.js'
import { runSample } from './sample.js'
import { say } from './say.js'
import { SetupError } from './setup-error.js'
import { Stack } from './stack.js'
import { watchSources } from './watch.js'

/** Says which port is in the way before anything is started. */
async function checkPorts({ port, servers }: StartOptions): Promise<void> {
  for (let candidate = port; candidate <= port + servers; candidate++) {
    const problem = await portProblem(candidate)
    if (problem === undefined) continue
    const use = candidate === port ? 'the load balancer' : `server ${candidate - port}`
    const why = problem === 'taken' ? 'is taken by another program' : 'may not be used by this user'
    throw new SetupError(`port ${candidate}, for ${use}, ${why}: choose another range with --port (now ${port}-${port + servers})`)
  }
}

/** Resolves with a reason when we are to end: a signal, or a process that cannot be kept alive. */
function endRequested(): { requested: Promise<string>; request: (reason: string) => void; isRequested: () => boolean } {
  let asked = false
  let request: (reason: string) => void = () => undefined
  const requested = new Promise<string>((resolve) => {
    request = (reason) => {
      asked = true
      resolve(reason)
    }
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (asked) {
        // Asked twice: no more patience.
        killAllNow()
        process.exit(130)
      }
      request('')
    })
  }
  return { requested, request, isRequested: () => asked }
}

function printReady(stack: Stack, options: StartOptions, password: string, folder: DataFolder): void {
  const lines = [
    '',
    `  Jobtrail   ${stack.url}`,
    `  API        ${stack.url}/api/docs`,
    `  sign in    admin / ${password}`,
    options.ephemeral ? '  data       is removed at the end (--ephemeral)' : `  data       ${displayPath(folder.dir)}`,
    '  Ctrl-C ends everything.',
    '',
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

async function run(options: StartOptions, folder: DataFolder): Promise<number> {
  await checkPorts(options)
  const secrets = await folder.secrets(options.adminPassword)
  const end = endRequested()
  const stack = new Stack(options, folder, (reason) => end.request(reason))
  let watch: { stop: () => void } | undefined
  const starting = async (): Promise<void> => {
    const api = await stack.start(secrets)
    if (options.workers > 0) {
      await runSample(api).catch((error: unknown) => {
        if (end.isRequested()) return
        say(`the sample job did not work: ${error instanceof Error ? error.message : String(error)}`)
      })
    }
    if (end.isRequested()) return
    printReady(stack, options, options.adminPassword ?? secrets.adminPassword, folder)
    if (options.watch) watch = watchSources(stack)
  }
  let failure: Error | undefined
  const started = starting().catch((error: unknown) => {
    // What fails because we are ending is no failure.
    if (!end.isRequested()) failure = error instanceof Error ? error : new Error(String(error))
    end.request('')
  })
  const reason = await end.requested
  if (failure === undefined) say('ending everything')
  if (reason !== '') process.stderr.write(`jobtrail: ${reason}\n`)
  watch?.stop()
  await stack.stop()
  await started
  if (failure !== undefined) throw failure
  return reason === '' ? 0 : 1
}

/** Runs Jobtrail until it is told to end; resolves with the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  let folder: DataFolder | undefined
  try {
    const options = parseOptions(argv, process.env)
    if (options === 'help') {
      process.stdout.write(`${USAGE}\n`)
      return 0
    }
    // Nothing that is started inherits a secret, and jobs, which run as the same user, find none in /proc.
    scrubEnvironment(process.env, { names: SERVER_ADDRESSES })
    folder = await DataFolder.open(options)
    return await run(options, folder)
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`jobtrail: ${error.message}\n${USAGE}\n`)
      return 2
    }
    const text = error instanceof SetupError ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)
    process.stderr.write(`jobtrail: ${text}\n`)
    return 1
  } finally {
    await folder?.close()
  }
}
