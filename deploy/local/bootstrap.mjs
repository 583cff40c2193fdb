// Gets a fresh clone ready to run: Node version, dependencies, build. Plain JavaScript with Node's
// built-ins only, because it runs before anything is installed or compiled.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = resolve(fileURLToPath(import.meta.url), '../../..')
const MINIMUM_NODE = [20, 19]
const INSTALL_TIMEOUT_MS = 15 * 60_000
const BUILD_TIMEOUT_MS = 5 * 60_000
/** With those that they refer to. */
const PROJECTS = ['server', 'worker', 'deploy', 'test']
/** What programs are compiled from, beside their own folder. */
const LIBRARIES = ['protocol', 'api', 'process']
const PROGRAMS = ['server', 'worker']

/** Set-up that failed for a reason the user can act on: shown without a stack. */
class BootstrapError extends Error {}

/** One line a step, so that a slow first start never looks like a hang. */
function say(text) {
  process.stdout.write(`jobtrail: ${text}\n`)
}

function checkPlatform() {
  if (process.platform !== 'win32') return
  throw new BootstrapError(
    'Jobtrail runs on Linux. On Windows, run it inside WSL 2: install it with "wsl --install", clone the repository there, and try again.',
  )
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [wantMajor, wantMinor] = MINIMUM_NODE
  if (major > wantMajor || (major === wantMajor && minor >= wantMinor)) return
  throw new BootstrapError(`Node ${MINIMUM_NODE.join('.')} or newer is needed, this is ${process.versions.node}. Install a newer Node and try again.`)
}

/** Runs a command to its end without showing its output, which is shown only when it fails. */
function run(what, command, args, timeoutMs) {
  const started = Date.now()
  const result = spawnSync(command, args, {
    cwd: ROOT,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  if (result.status === 0) return Date.now() - started
  const timedOut = result.error?.code === 'ETIMEDOUT'
  const why = timedOut ? `took longer than ${timeoutMs / 1000} s` : (result.error?.message ?? `ended with ${result.status ?? result.signal}`)
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim().split('\n').slice(-60).join('\n')
  throw new BootstrapError(`${what} failed: ${why}\n${output}`)
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'))
}

/**
 * Compares the lock file with what npm says it installed (npm writes node_modules/.package-lock.json
 * last, so an interrupted install has none). Better than a marker of our own: an install that the
 * user made by hand counts too.
 */
function installedMatchesLock() {
  const installedPath = join(ROOT, 'node_modules/.package-lock.json')
  if (!existsSync(installedPath)) return false
  const installed = readJson(installedPath).packages ?? {}
  const wanted = readJson(join(ROOT, 'package-lock.json')).packages ?? {}
  for (const [path, entry] of Object.entries(wanted)) {
    if (!path.includes('node_modules/')) continue // the root and the workspaces themselves
    const found = installed[path]
    if (found === undefined) {
      // Optional packages of other platforms are in the lock but rightly not on the disk.
      if (entry.optional || entry.devOptional || entry.peer) continue
      return false
    }
    if (found.version !== entry.version || found.integrity !== entry.integrity) return false
  }
  return true
}

/** Runs npm; under `npm start` npm says where it is, which works where `npm` is not on the PATH. */
function runNpm(what, args, timeoutMs) {
  const npmCli = process.env.npm_execpath
  if (npmCli !== undefined && /npm.*\.c?js$/.test(npmCli)) {
    return run(what, process.execPath, [npmCli, ...args], timeoutMs)
  }
  return run(what, 'npm', args, timeoutMs)
}

function install() {
  if (installedMatchesLock()) return
  say('installing dependencies, the first time this takes a minute or two')
  // Not `npm ci`: it refuses a lock file without the optional packages of every other platform, and
  // not every registry has those. `--no-save` takes the versions from the lock and leaves it alone.
  const args = ['install', '--no-save', '--include=dev', '--no-audit', '--no-fund']
  const ms = runNpm('npm install', args, INSTALL_TIMEOUT_MS)
  say(`dependencies installed in ${Math.round(ms / 1000)} s`)
}

function buildTypeScript() {
  const fresh = existsSync(join(ROOT, 'deploy/dist/start.js'))
  if (!fresh) say('building')
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  // Incremental: with nothing to do it takes a few tenths of a second.
  const ms = run('the build (tsc -b)', process.execPath, [tsc, '-b', ...PROJECTS], BUILD_TIMEOUT_MS)
  say(`build is up to date (${(ms / 1000).toFixed(1)} s)`)
}

const changedAt = (...path) => statSync(join(ROOT, ...path), { throwIfNoEntry: false })?.mtimeMs ?? 0

function bundlePrograms() {
  // The compiler writes its notes whenever it has written anything.
  const compiledAt = Math.max(
    ...[...LIBRARIES, ...PROGRAMS].map((project) => changedAt(project, 'dist/.tsbuildinfo')),
    changedAt('deploy/bundle.mjs'),
    changedAt('deploy/pack-folder.mjs'),
  )
  const made = [...PROGRAMS.map((program) => `${program}/dist/bundle/main.js.map`), 'server/dist/bundle/jobtrail-worker.tgz']
  if (made.every((path) => changedAt(path) > compiledAt)) return
  run('bundling the programs', process.execPath, [join(ROOT, 'deploy/bundle.mjs')], BUILD_TIMEOUT_MS)
}

/** The newest change below the given files and folders, in milliseconds; 0 when there are none. */
function newestChange(paths) {
  let newest = 0
  for (const path of paths) {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat === undefined) continue
    newest = Math.max(newest, stat.mtimeMs)
    if (!stat.isDirectory()) continue
    const children = readdirSync(path).filter((name) => name !== 'node_modules' && name !== 'dist')
    newest = Math.max(newest, newestChange(children.map((name) => join(path, name))))
  }
  return newest
}

function buildConsole() {
  const folder = join(ROOT, 'console')
  const manifest = join(folder, 'package.json')
  if (!existsSync(manifest) || readJson(manifest).scripts?.build === undefined) return
  const built = statSync(join(folder, 'dist/index.html'), { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (built > newestChange([folder, join(ROOT, 'protocol/src'), join(ROOT, 'api/src')])) return
  say('building the console')
  runNpm('the console build', ['run', 'build', '--workspace', 'console'], BUILD_TIMEOUT_MS)
}

/**
 * Makes the checkout ready; ends the process with a clear message when that is not possible.
 * @param {{build?: boolean}} [options] `build: false` stops after the dependencies.
 */
export function bootstrap({ build = true } = {}) {
  try {
    checkPlatform()
    checkNode()
    install()
    if (!build) return
    buildTypeScript()
    bundlePrograms()
    buildConsole()
  } catch (error) {
    if (!(error instanceof BootstrapError)) throw error
    process.stderr.write(`jobtrail: ${error.message}\n`)
    process.exit(1)
  }
}
