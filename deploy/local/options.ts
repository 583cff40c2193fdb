import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'

/** What `npm start` was asked for. */
export interface StartOptions {
  servers: number
  workers: number
  port: number
  ephemeral: boolean
  watch: boolean
  mongodbUri: string | undefined
  redisUrl: string | undefined
  /** Where data is kept, as typed; the usual place when left out. */
  dataDir: string | undefined
  adminPassword: string | undefined
}

/** What a server demands of a password (`JOBTRAIL_ADMIN_PASSWORD`). */
const MIN_PASSWORD_LENGTH = 10

/** A command line that cannot be understood. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export const USAGE = `Usage: npm start -- [options]
  --servers N        scheduler servers, on the ports after the load balancer's (2)
  --workers M        workers with 8 slots each (1)
  --port P           port of the load balancer (7700); the servers get P+1 ... P+N
  --data-dir DIR     where data is kept (.jobtrail/data)
  --ephemeral        keep nothing: data in a temporary folder that is removed at the end
  --mongodb-uri URI  a MongoDB replica set that runs already (or MONGODB_URI)
  --redis-url URL    a Redis that runs already (or REDIS_URL)
  --watch            build and restart when a source changes (npm run dev)
  --help             this text
JOBTRAIL_ADMIN_PASSWORD: the password of admin at the first start, 10 characters or more (generated)`

function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new UsageError(`--${option} has to be a whole number from ${min} to ${max}, not "${text}"`)
}

function address(option: string, text: string | undefined, pattern: RegExp, example: string): string | undefined {
  if (text === undefined || text === '') return undefined
  if (pattern.test(text)) return text
  throw new UsageError(`${option} has to look like ${example}`)
}

function passwordOf(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined
  if (text.length >= MIN_PASSWORD_LENGTH) return text
  throw new UsageError(`JOBTRAIL_ADMIN_PASSWORD has to have ${MIN_PASSWORD_LENGTH} characters or more, not ${text.length}`)
}

/** Reads the command line, with the environment for what it does not say; 'help' when asked for it. */
export function parseOptions(argv: readonly string[], env: NodeJS.ProcessEnv): StartOptions | 'help' {
  const values = parseOrThrow(argv)
  if (values.help) return 'help'
  if (values.ephemeral && values['data-dir'] !== undefined) throw new UsageError('--ephemeral keeps nothing: it cannot go with --data-dir')
  if (values['data-dir'] === '') throw new UsageError('--data-dir has to name a folder')
  const most = Math.max(16, availableParallelism() * 4)
  const servers = wholeNumber('servers', values.servers, 1, most)
  return {
    servers,
    workers: wholeNumber('workers', values.workers, 0, most),
    port: wholeNumber('port', values.port, 1, 65_535 - servers),
    ephemeral: values.ephemeral,
    watch: values.watch,
    mongodbUri: address(
      values['mongodb-uri'] === undefined ? 'MONGODB_URI' : '--mongodb-uri',
      values['mongodb-uri'] ?? env['MONGODB_URI'],
      /^mongodb(\+srv)?:\/\/[^/?]+/,
      'mongodb://host:27017/jobtrail?replicaSet=rs0',
    ),
    redisUrl: address(
      values['redis-url'] === undefined ? 'REDIS_URL' : '--redis-url',
      values['redis-url'] ?? env['REDIS_URL'],
      /^rediss?:\/\/./,
      'redis://host:6379',
    ),
    dataDir: values['data-dir'],
    adminPassword: passwordOf(env['JOBTRAIL_ADMIN_PASSWORD']),
  }
}

function parseOrThrow(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        servers: { type: 'string', default: '2' },
        workers: { type: 'string', default: '1' },
        port: { type: 'string', default: '7700' },
        'data-dir': { type: 'string' },
        ephemeral: { type: 'boolean', default: false },
        watch: { type: 'boolean', default: false },
        'mongodb-uri': { type: 'string' },
        'redis-url': { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}
