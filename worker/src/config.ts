import { readFileSync } from 'node:fs'
import { availableParallelism, hostname } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { packageVersion } from '@jobtrail/process/package-version'
import { ConfigError, describeError } from './errors.js'

const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
const NAME_RULE = 'letters, digits, dot, dash and underscore, starting with a letter or digit, at most 63'

const isHttpUrl = (text: string): boolean => URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol)

/** A list as text with commas, or as an array of such texts (a repeated option). */
const list = z.union([z.string(), z.array(z.string())]).transform((value) =>
  [value]
    .flat()
    .flatMap((text) => text.split(','))
    .map((text) => text.trim())
    .filter((text) => text !== ''),
)
const wholeNumber = (min: number, max: number) =>
  z
    .union(
      [
        z.number(),
        z
          .string()
          .regex(/^\s*\d+\s*$/)
          .transform(Number),
      ],
      { error: `must be a whole number from ${min} to ${max}` },
    )
    .refine((value) => Number.isSafeInteger(value) && value >= min && value <= max, { error: `must be a whole number from ${min} to ${max}` })

/** The same as a server takes. */
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

const TOKEN_RULE = 'must be a worker token of the namespace, or --token-file must name a file that holds one'

/** What a worker can be told, from the command line, the environment or the SDK. */
const WorkerConfig = z.strictObject({
  server: list.refine((urls) => urls.length > 0 && urls.every(isHttpUrl), { error: 'must be the URL of the load balancer, such as http://localhost:7700' }),
  token: z.string({ error: TOKEN_RULE }).min(1, TOKEN_RULE),
  group: z.string().regex(NAME_PATTERN, `must be a name: ${NAME_RULE}`).default('default'),
  tags: list
    .refine((tags) => tags.length <= 50 && tags.every((tag) => NAME_PATTERN.test(tag)), { error: `must be at most 50 names with commas between: ${NAME_RULE}` })
    .default([]),
  slots: wholeNumber(1, 10_000).default(() => availableParallelism()),
  spoolDir: z
    .string()
    .min(1, 'must be a folder that only this worker uses')
    .default('./.jobtrail-spool')
    .transform((path) => resolve(path)),
  spoolLimitBytes: wholeNumber(1_048_576, Number.MAX_SAFE_INTEGER).default(1_073_741_824),
  name: z
    .string()
    .min(1)
    .max(120, 'must have at most 120 characters')
    .default(() => hostname().slice(0, 120) || 'worker'),
  drainTimeoutMs: wholeNumber(0, 86_400_000).default(60_000),
  refusedExitMs: wholeNumber(0, 86_400_000).default(300_000),
  runAsUser: z.string().min(1).optional(),
  logLevel: z.enum(LOG_LEVELS, { error: `must be one of ${LOG_LEVELS.join(', ')}` }).default('info'),
})
export type WorkerConfig = Readonly<z.infer<typeof WorkerConfig>>
/** The token itself, or the file that holds it. The SDK's declarations say the same in words of their own (`WorkerSettings`), which need no zod. */
export type WorkerConfigInput = Omit<z.input<typeof WorkerConfig>, 'token'> & { token?: string; tokenFile?: string }
type ConfigKey = keyof WorkerConfig | 'tokenFile'

/** How each setting is written outside; the README's table follows it. */
export const SETTINGS: Readonly<Record<ConfigKey, { flag: string; env: string; value: string; help: string }>> = {
  server: { flag: 'server', env: 'JOBTRAIL_SERVER', value: 'URL', help: 'load balancer in front of the servers; several with commas or by repeating' },
  token: {
    flag: 'token',
    env: 'JOBTRAIL_TOKEN',
    value: 'TOKEN',
    help: 'worker token of the namespace; the worker takes it out of its arguments and environment once it has read it, but a file is better',
  },
  tokenFile: {
    flag: 'token-file',
    env: 'JOBTRAIL_TOKEN_FILE',
    value: 'FILE',
    help: 'file that holds the worker token, such as /dev/fd/3; instead of the token itself',
  },
  group: { flag: 'group', env: 'JOBTRAIL_GROUP', value: 'NAME', help: 'group that jobs are routed to (default)' },
  tags: { flag: 'tags', env: 'JOBTRAIL_TAGS', value: 'A,B', help: 'tags that jobs may require (none)' },
  slots: { flag: 'slots', env: 'JOBTRAIL_SLOTS', value: 'N', help: 'attempts at once (number of cores)' },
  spoolDir: { flag: 'spool-dir', env: 'JOBTRAIL_SPOOL_DIR', value: 'DIR', help: 'folder for what is not yet acknowledged, one a worker (./.jobtrail-spool)' },
  spoolLimitBytes: { flag: 'spool-limit-bytes', env: 'JOBTRAIL_SPOOL_LIMIT_BYTES', value: 'N', help: 'bound of the log spool on disk (1073741824)' },
  name: { flag: 'name', env: 'JOBTRAIL_NAME', value: 'TEXT', help: 'name to show (host name)' },
  drainTimeoutMs: { flag: 'drain-timeout', env: 'JOBTRAIL_DRAIN_TIMEOUT_MS', value: 'MS', help: 'how long running attempts may go on at a stop (60000)' },
  refusedExitMs: {
    flag: 'refused-exit',
    env: 'JOBTRAIL_REFUSED_EXIT_MS',
    value: 'MS',
    help: 'a worker that every server refuses for so long (its token is revoked, say) ends with exit status 3 (300000)',
  },
  runAsUser: {
    flag: 'run-as-user',
    env: 'JOBTRAIL_RUN_AS_USER',
    value: 'USER',
    help: 'name or ID of the user that shell jobs run as; needs a worker that runs as root (its own user)',
  },
  logLevel: { flag: 'log-level', env: 'JOBTRAIL_LOG_LEVEL', value: 'LEVEL', help: `of the worker's own log: ${LOG_LEVELS.join(', ')} (info)` },
}
/** For the command line only: the SDK is given functions. */
export const HANDLERS_SETTING = {
  flag: 'handlers',
  env: 'JOBTRAIL_HANDLERS',
  value: 'FILE',
  help: 'module whose exported functions are handlers, by name',
} as const
export const ISOLATION_SETTING = {
  flag: 'handler-isolation',
  env: 'JOBTRAIL_HANDLER_ISOLATION',
  value: 'KIND',
  help: 'process: each attempt of a handler runs in a process of its own, which can be killed; none: in the worker itself (none)',
} as const
const Isolation = z.enum(['none', 'process']).default('none')
const KEYS = Object.keys(SETTINGS).filter((key): key is ConfigKey => key in SETTINGS)

/** Checks settings given by the SDK, or gathered by {@link readCommandLine}. */
export function parseConfig(settings: unknown): WorkerConfig {
  const input = withTokenOfFile(settings)
  const parsed = WorkerConfig.safeParse(input)
  if (parsed.success) return Object.freeze(parsed.data)
  const problems = parsed.error.issues.map((issue) => {
    const key = KEYS.find((candidate) => candidate === issue.path[0])
    if (key === undefined) return issue.message
    const { flag, env } = SETTINGS[key]
    const given = typeof input === 'object' && input !== null ? (Object.entries(input).find(([name]) => name === key)?.[1] as unknown) : undefined
    const shown = given === undefined ? 'missing' : key === 'token' ? 'wrong' : `${JSON.stringify(given)} is wrong`
    return `--${flag} (${env}): ${shown}; ${issue.message}`
  })
  throw new ConfigError(problems.join('\n'))
}

/** Reads the token where only its file was given. */
function withTokenOfFile(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || !('tokenFile' in input) || input.tokenFile === undefined) return input
  const { tokenFile, ...others } = input
  const { flag, env } = SETTINGS.tokenFile
  if ('token' in others && others.token !== undefined) throw new ConfigError(`--${flag} (${env}): give either the token or the file that holds it`)
  try {
    if (typeof tokenFile !== 'string') throw new TypeError('it is not a path')
    const token = readFileSync(tokenFile, 'utf8').trim()
    if (token === '') throw new Error('it is empty')
    return { ...others, token }
  } catch (error) {
    throw new ConfigError(`--${flag} (${env}): ${JSON.stringify(tokenFile)} holds no token (${describeError(error)}); ${TOKEN_RULE}`, error)
  }
}

/** A service of systemd to make. `variables`: the settings that were given, by their variables, and the token itself. */
export type ServiceRequest = {
  unit: string
  /** Undefined: the usual one. */
  serviceUser: string | undefined
  config: WorkerConfig
  variables: ReadonlyMap<string, string>
}

/** What the command line asks for. */
export type CommandLine =
  | { kind: 'help' }
  | { kind: 'version' }
  | { kind: 'health'; spoolDir: string }
  | { kind: 'check'; config: WorkerConfig; isServerGiven: boolean; isTokenGiven: boolean }
  | ({ kind: 'install'; isOnlyPrinted: boolean } & ServiceRequest)
  | { kind: 'run'; config: WorkerConfig; handlersModule: string | undefined; isIsolated: boolean }

/** Reads arguments over environment variables; an empty variable counts as unset. Throws ConfigError. */
export function readCommandLine(args: readonly string[], env: Readonly<Record<string, string | undefined>>): CommandLine {
  const { values } = parseArguments(args)
  if (values['help'] !== undefined) return { kind: 'help' }
  if (values['version'] !== undefined) return { kind: 'version' }
  if (values['health'] !== undefined) {
    const fromEnv = env[SETTINGS.spoolDir.env]
    return { kind: 'health', spoolDir: WorkerConfig.shape.spoolDir.parse(values[SETTINGS.spoolDir.flag] ?? (fromEnv === '' ? undefined : fromEnv)) }
  }
  const input = givenSettings(values, env)
  const isTokenGiven = 'token' in input || 'tokenFile' in input
  if (values['check'] !== undefined) {
    // A host can be checked before there is a token for it.
    const config = parseConfig({ server: NO_SERVER, ...(isTokenGiven ? {} : { token: NO_TOKEN }), ...input })
    return { kind: 'check', config, isServerGiven: 'server' in input, isTokenGiven }
  }
  const given = values['handlers'] ?? env[HANDLERS_SETTING.env]
  const handlersModule = typeof given === 'string' && given !== '' ? given : undefined
  const isIsolated = readIsolation(values[ISOLATION_SETTING.flag] ?? env[ISOLATION_SETTING.env]) === 'process'
  if (values['install'] === undefined) return { kind: 'run', config: parseConfig(input), isIsolated, handlersModule }
  const { unit = DEFAULT_UNIT, 'service-user': serviceUser, print } = InstallOptions.parse(values)
  if (!NAME_PATTERN.test(unit)) throw new ConfigError(`--unit: ${JSON.stringify(unit)} is wrong; must be a name: ${NAME_RULE}`)
  const isOnlyPrinted = print !== undefined
  const config = parseConfig(isOnlyPrinted && !isTokenGiven ? { ...input, token: NO_TOKEN } : input)
  const variables = variablesOf(config, input)
  if (handlersModule !== undefined) variables.set(HANDLERS_SETTING.env, resolve(handlersModule))
  if (isIsolated) variables.set(ISOLATION_SETTING.env, 'process')
  return { kind: 'install', isOnlyPrinted, unit, serviceUser, config, variables }
}

/** Stand in for what is not needed to check a host, or to show a unit. */
const NO_SERVER = 'http://localhost'
const NO_TOKEN = 'jtw_…'
const DEFAULT_UNIT = 'jobtrail-worker'
const InstallOptions = z.object({ unit: z.string().optional(), 'service-user': z.string().optional(), print: z.boolean().optional() })

function givenSettings(values: Record<string, unknown>, env: Readonly<Record<string, string | undefined>>): Record<string, unknown> {
  const input: Record<string, unknown> = {}
  for (const key of KEYS) {
    const { flag, env: variable } = SETTINGS[key]
    const fromEnv = env[variable]
    const value = values[flag] ?? (fromEnv === '' ? undefined : fromEnv)
    if (value !== undefined) input[key] = value
  }
  return input
}

/** The given settings as a service is to have them: paths are absolute, and the token is there itself, since the file that held it may be a pipe. */
function variablesOf(config: WorkerConfig, input: Readonly<Record<string, unknown>>): Map<string, string> {
  const variables = new Map([[SETTINGS.token.env, config.token]])
  for (const key of KEYS) {
    if (key === 'tokenFile' || !(key in input)) continue
    const value = config[key]
    if (value !== undefined) variables.set(SETTINGS[key].env, [value].flat().join(','))
  }
  return variables
}

function readIsolation(given: unknown): z.infer<typeof Isolation> {
  const parsed = Isolation.safeParse(given === '' ? undefined : given)
  if (parsed.success) return parsed.data
  throw new ConfigError(`--${ISOLATION_SETTING.flag} (${ISOLATION_SETTING.env}): ${JSON.stringify(given)} is wrong; must be none or process`)
}

function parseArguments(args: readonly string[]): { values: Record<string, unknown> } {
  const options: NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']> = {
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean', short: 'v' },
    health: { type: 'boolean' },
    check: { type: 'boolean' },
    install: { type: 'boolean' },
    print: { type: 'boolean' },
    unit: { type: 'string' },
    'service-user': { type: 'string' },
    handlers: { type: 'string' },
    [ISOLATION_SETTING.flag]: { type: 'string' },
  }
  for (const key of KEYS) options[SETTINGS[key].flag] = { type: 'string', multiple: key === 'server' || key === 'tags' }
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false })
  } catch (error) {
    throw new ConfigError(`${error instanceof Error ? error.message : String(error)} (--help lists the options)`, error)
  }
}

/** The text of --help. */
export function helpText(): string {
  const rows = [...KEYS.map((key) => SETTINGS[key]), HANDLERS_SETTING, ISOLATION_SETTING].map(
    ({ flag, env, value, help }) => `  --${`${flag} ${value}`.padEnd(24)} ${env.padEnd(28)} ${help}`,
  )
  const commands = COMMANDS.map(([command, help]) => `  ${command.padEnd(26)} ${help}`.trimEnd())
  return `jobtrail-worker: runs the jobs of a Jobtrail namespace\n\nOption, environment variable, meaning (default):\n${rows.join('\n')}\n\nInstead of running:\n${commands.join('\n')}\n`
}

const COMMANDS = [
  ['--health', 'ends with status 0 while the worker of that spool folder runs, its main loop turns and its guard lives, else with 1'],
  ['--check', 'says what of this host is missing or weaker, and whether the servers take the token; ends with status 1 when something is missing'],
  ['--install', 'writes a service of systemd with the other options given, and says how to start it'],
  ['  --print', 'only shows the service'],
  ['  --service-user USER', 'user that the worker and its jobs run as (jobtrail; root with --run-as-user)'],
  ['  --unit NAME', 'name of the service, for a second worker on a host (jobtrail-worker)'],
  ['--help, --version', ''],
] as const

/** The version of this package. */
export const workerVersion = (): string => packageVersion(import.meta.url)
