import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type ServiceRequest, SETTINGS, workerVersion } from '../config.js'
import { ConfigError, describeError } from '../errors.js'
import { checkJobUser, findAccount } from '../run/job-user.js'
import { defaultSpoolDir, type Service, unitFile, unitPath, variablesFile, variablesPath } from './service.js'

const DEFAULT_USER = 'jobtrail'
/** Where systemd says that it runs this machine. */
const BOOTED_PATH = '/run/systemd/system'
const PROBE_MS = 20_000

/** `program`: what starts the worker; `root`: for specs, where the machine's files lie. */
export type InstallPlace = { program: readonly string[]; root?: string }

/** What --install would write, as text for people. The token is left out: this may be kept or shown. */
export function showService(request: ServiceRequest, { program }: InstallPlace): string {
  const variables = new Map(request.variables)
  variables.set(SETTINGS.token.env, 'jtw_…')
  const runAsUser = request.config.runAsUser
  const service = serviceOf({ ...request, variables }, program, runAsUser === undefined ? undefined : findAccount(runAsUser)?.home)
  return `# ${unitPath(request.unit)}\n${unitFile(service)}\n# ${variablesPath(request.unit)} (mode 0600)\n${variablesFile(service)}`
}

/** Writes the service's two files and returns what to do next. Nothing is started. Throws ConfigError where it cannot be done; then nothing is left behind. */
export function installService(request: ServiceRequest, { program, root = '/' }: InstallPlace): string {
  const { unit, config } = request
  if (!existsSync(join(root, BOOTED_PATH)))
    throw new ConfigError(
      `--install: systemd does not run this machine (there is no ${BOOTED_PATH}). Have another service manager start ${program.join(' ')}; --install --print shows what a service needs`,
    )
  const home = config.runAsUser === undefined ? undefined : checkJobUser(config.runAsUser).home
  const service = serviceOf(request, program, home)
  if (service.user !== undefined) checkServiceUser(service.user, program)
  const files = [
    // First, because the other needs it.
    { path: variablesPath(unit), content: variablesFile(service), mode: 0o600 },
    { path: unitPath(unit), content: unitFile(service), mode: 0o644 },
  ]
  for (const { path } of files)
    if (existsSync(join(root, path)))
      throw new ConfigError(
        `--install: ${path} is there already. Edit it, or remove it to have it written anew; for a second worker on this host give --unit NAME`,
      )
  const written: string[] = []
  try {
    for (const { path, content, mode } of files) {
      mkdirSync(join(root, dirname(path)), { recursive: true })
      // Not over what came there meanwhile, and never readable by others, not even for a moment.
      writeFileSync(join(root, path), content, { mode, flag: 'wx' })
      written.push(join(root, path))
    }
  } catch (error) {
    for (const path of written) rmSync(path, { force: true })
    throw new ConfigError(`--install: the service cannot be written (${describeError(error)}). Run it as root, for example with sudo`, error)
  }
  return nextSteps(unit)
}

function serviceOf({ unit, serviceUser, config, variables }: ServiceRequest, program: readonly string[], home: string | undefined): Service {
  if (serviceUser !== undefined && !/^\w[\w.-]*$/.test(serviceUser))
    throw new ConfigError(`--service-user: ${JSON.stringify(serviceUser)} is no name of a user`)
  const isRoot = serviceUser === 'root' || serviceUser === '0'
  if (config.runAsUser !== undefined && serviceUser !== undefined && !isRoot)
    throw new ConfigError('--service-user: the worker has to run as root to run jobs as the --run-as-user; leave one of the two out')
  for (const [name, value] of variables)
    // oxlint-disable-next-line no-control-regex -- the file has one variable a line
    if (/[\u0000-\u001f\u007f]/.test(value)) throw new ConfigError(`--install: ${name} has a control character, which a service cannot be given`)
  return {
    unit,
    version: workerVersion(),
    command: program,
    user: config.runAsUser !== undefined || isRoot ? undefined : (serviceUser ?? DEFAULT_USER),
    runAs: config.runAsUser === undefined ? undefined : { home },
    drainTimeoutMs: config.drainTimeoutMs,
    variables: variables.has(SETTINGS.spoolDir.env) ? variables : new Map([...variables, [SETTINGS.spoolDir.env, defaultSpoolDir(unit)]]),
  }
}

/** Node in somebody's home, say, cannot be read by others: the service would fail at each start. */
function checkServiceUser(name: string, program: readonly string[]): void {
  const account = findAccount(name)
  if (account === undefined)
    throw new ConfigError(
      `--service-user: there is no user ${JSON.stringify(name)}. Make one (useradd --system --create-home ${DEFAULT_USER}), or name the one that the worker and its jobs are to run as`,
    )
  // Only root can try; whoever is not will be told when the files are written.
  if (process.getuid?.() !== 0) return
  const [command = '', ...args] = program
  const { uid, gid } = account
  const { error, status, stderr } = spawnSync(command, [...args, '--version'], { uid, gid, cwd: '/', timeout: PROBE_MS, encoding: 'utf8' })
  if (status === 0) return
  const why = error === undefined ? stderr.trim().split('\n').at(-1) : describeError(error)
  throw new ConfigError(`--service-user: ${name} cannot run ${program.join(' ')} (${why}). Install Node and the worker where every user may read them`)
}

function nextSteps(unit: string): string {
  return `Wrote ${unitPath(unit)} and ${variablesPath(unit)}, which holds the settings and the token and can be read by root alone.
Nothing has been started. To start it now and at each boot:
  systemctl daemon-reload && systemctl enable --now ${unit}
To see how it does:
  systemctl status ${unit}
  journalctl --unit ${unit} --follow
To change a setting or the token, edit ${variablesPath(unit)}, then: systemctl restart ${unit}
`
}
