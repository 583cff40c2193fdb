// Runs the tests (npm test), the benchmarks (npm run bench), the fault bench (npm run chaos) or takes the screenshots (npm run screenshots),
// on a fresh clone as well as on a used one. The last line of the tests is always `N passed, N failed`,
// and the exit code is not 0 if anything failed.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { bootstrap } from '../deploy/local/bootstrap.mjs'
import { fetchNode } from '../deploy/local/fetch-node.mjs'

const ROOT = resolve(fileURLToPath(import.meta.url), '../..')
const RESULTS = join(ROOT, 'test/results')
const UNIT_TIMEOUT_MS = 3 * 60_000
const INTEGRATION_TIMEOUT_MS = 30 * 60_000
/** So many files are named in the end, for a file that has become slow to be seen. */
const SLOWEST_SHOWN = 12
const PROGRAM_TIMEOUT_MS = 60 * 60_000
/** The fault bench breaks things for as long as it is told to; starting, and coming to an end on a slow machine, take so much more. */
const CHAOS_EXTRA_MS = 20 * 60_000
/** Programs beside the tests, by the option that runs them. */
const PROGRAMS = { '--bench': 'test/dist/bench/main.js', '--chaos': 'test/dist/chaos/main.js', '--screenshots': 'test/dist/screenshots/main.js' }

const USAGE = `Usage: node test/run.mjs [--unit] [--only <part of a path>] [--repeat <times>] [--no-build] [--node <version>] [--bench [arguments] | --chaos [arguments] | --screenshots [names]]
  --unit       only the unit tests (they need no MongoDB and no Redis)
  --only PART  only the test files whose path contains PART; may be given several times
  --repeat N   all of this N times, until one fails: what is racy shows
  --no-build   take what is built
  --node VERSION
               under that version of Node, such as 20.19, which is fetched; may be given several times
  --bench      the benchmarks; what follows is handed to them
  --chaos      the fault bench; what follows is handed to it
  --screenshots
               a picture of each page of the console, or of the named ones, in test/results/screenshots`

function parse(argv) {
  const programAt = argv.findIndex((argument) => argument in PROGRAMS)
  const own = programAt < 0 ? argv : argv.slice(0, programAt)
  try {
    const { values } = parseArgs({
      args: own,
      options: {
        unit: { type: 'boolean', default: false },
        only: { type: 'string', multiple: true, default: [] },
        repeat: { type: 'string', default: '1' },
        'no-build': { type: 'boolean', default: false },
        node: { type: 'string', multiple: true, default: [] },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (!/^[1-9]\d{0,3}$/.test(values.repeat)) throw new TypeError(`--repeat must be a whole number from 1 to 9999, and not ${values.repeat}`)
    return { ...values, program: programAt < 0 ? undefined : [join(ROOT, PROGRAMS[argv[programAt]]), ...argv.slice(programAt + 1)] }
  } catch (error) {
    process.stderr.write(`${error.message}\n${USAGE}\n`)
    process.exit(2)
  }
}

function programTimeoutMs(argv) {
  if (!argv.includes('--chaos')) return PROGRAM_TIMEOUT_MS
  const { values } = parseArgs({ args: argv.slice(argv.indexOf('--chaos') + 1), options: { minutes: { type: 'string' } }, strict: false })
  const minutes = Number(values.minutes)
  return Math.max(PROGRAM_TIMEOUT_MS, minutes > 0 ? minutes * 60_000 + CHAOS_EXTRA_MS : 0)
}

/** Runs the tests again under each of these versions of Node: what is built stays the same. */
async function runUnder({ node: versions, unit, only, repeat }) {
  const args = [fileURLToPath(import.meta.url), '--no-build', '--repeat', repeat, ...(unit ? ['--unit'] : []), ...only.flatMap((part) => ['--only', part])]
  let exitCode = 0
  for (const version of versions) {
    const node = fetchNode(version)
    process.stdout.write(`\njobtrail: under ${node}\n`)
    // First on the PATH, for npm and for all else that is started by `env node`.
    const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` }
    exitCode ||= await runNode(args, UNIT_TIMEOUT_MS + INTEGRATION_TIMEOUT_MS, env, node)
  }
  return exitCode
}

/** Runs a Node program in the foreground; its whole process group is ended when time is up or we are. */
function runNode(args, timeoutMs, env = process.env, node = process.execPath) {
  return new Promise((done) => {
    // stderr goes to stdout too, so that nothing can come after the last line.
    const child = spawn(node, args, { cwd: ROOT, env, stdio: ['ignore', 1, 1], detached: true })
    const end = (signal) => {
      if (child.pid === undefined) return
      try {
        process.kill(-child.pid, signal)
      } catch (error) {
        if (error.code !== 'ESRCH') throw error // it has just ended by itself
      }
    }
    const forward = (signal) => end(signal)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, forward)
    let killer
    const timer = setTimeout(() => {
      process.stderr.write(`jobtrail: not done after ${timeoutMs / 60_000} minutes, ending it\n`)
      end('SIGTERM')
      killer = setTimeout(() => end('SIGKILL'), 15_000)
    }, timeoutMs)
    const finish = (code) => {
      clearTimeout(timer)
      clearTimeout(killer)
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(signal, forward)
      done(code)
    }
    child.once('exit', (code, signal) => finish(signal === null ? (code ?? 1) : 1))
    child.once('error', () => finish(1))
  })
}

async function runVitest(name, config, only, timeoutMs) {
  const file = join(RESULTS, `${name}.json`)
  mkdirSync(RESULTS, { recursive: true })
  rmSync(file, { force: true })
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=./test/support/count-reporter.ts']
  const env = { ...process.env, JOBTRAIL_TEST_COUNTS: file }
  const exitCode = await runNode([vitest, 'run', '--config', config, '--passWithNoTests', ...reporters, ...only], timeoutMs, env)
  // No file: vitest did not even begin. With an exit code of 0 there was no test to run.
  if (!existsSync(file)) return { passed: 0, failed: exitCode === 0 ? 0 : 1, skipped: 0, failures: [], durations: [] }
  const counts = JSON.parse(readFileSync(file, 'utf8'))
  if (counts.running.length > 0) process.stdout.write(`not ended: ${counts.running.join(', ')}\n`)
  counts.failed += counts.running.length
  // Whatever vitest fails for must never look like a success.
  if ((exitCode !== 0 || !counts.complete) && counts.failed === 0) counts.failed = 1
  return counts
}

const options = parse(process.argv.slice(2))
if (options.help) {
  process.stdout.write(`${USAGE}\n`)
  process.exit(0)
}
bootstrap({ build: !options['no-build'] && !options.unit })

if (options.node.length > 0) {
  process.exitCode = await runUnder(options)
} else if (options.program !== undefined) {
  process.exitCode = await runNode(options.program, programTimeoutMs(process.argv))
} else {
  const started = Date.now()
  const parts = []
  for (let round = 1; round <= options.repeat && parts.every(({ failed }) => failed === 0); round++) {
    if (options.repeat > 1) process.stdout.write(`\nround ${round} of ${options.repeat}\n`)
    parts.push(await runVitest('unit', 'vitest.unit.config.ts', options.only, UNIT_TIMEOUT_MS))
    if (!options.unit) parts.push(await runVitest('integration', 'test/vitest.config.ts', options.only, INTEGRATION_TIMEOUT_MS))
  }
  const sum = (key) => parts.reduce((total, part) => total + part[key], 0)
  const [passed, failed, skipped] = [sum('passed'), sum('failed'), sum('skipped')]
  const slowest = parts.flatMap((part) => part.durations).toSorted((a, b) => b.ms - a.ms)
  process.stdout.write('\nthe slowest files:\n')
  for (const { file, ms } of slowest.slice(0, SLOWEST_SHOWN)) process.stdout.write(`${String(Math.round(ms / 1000)).padStart(5)} s  ${file}\n`)
  process.stdout.write(`\nall tests took ${Math.round((Date.now() - started) / 1000)} s, ${skipped} skipped\n`)
  // Once more at the end, where it is found: the output is long.
  for (const failure of parts.flatMap((part) => part.failures)) process.stdout.write(`failed: ${failure}\n`)
  if (passed + failed === 0) process.stdout.write('no test was run\n')
  process.stdout.write(`${passed} passed, ${failed} failed\n`)
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1
}
