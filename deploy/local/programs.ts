import { existsSync } from 'node:fs'
import { CONSOLE_DIST, SERVER_MAIN, WORKER_MAIN } from './paths.js'
import { ManagedProcess } from './process.js'
import { isHttpOk } from './wait.js'

/** Environment for a server or worker of our own. */
export type Environment = Record<string, string>

/** How one Jobtrail server is to be started. */
export interface ServerOptions {
  port: number
  mongodbUri: string
  redisUrl: string
  logFile: string
  serverId: string
  adminPassword?: string
  secretKeys?: string
  /** The environment that it inherits; this process's own when left out. */
  baseEnv?: NodeJS.ProcessEnv
  /** More variables, over everything above. */
  env?: Environment
  /** The program to run instead of the one that was built here: an installed one, which has a console of its own. */
  main?: string
}

/** A Jobtrail server, not yet started. */
export function serverProcess(options: ServerOptions): ManagedProcess {
  const env: NodeJS.ProcessEnv = {
    ...(options.baseEnv ?? process.env),
    JOBTRAIL_PORT: String(options.port),
    JOBTRAIL_SERVER_ID: options.serverId,
    MONGODB_URI: options.mongodbUri,
    REDIS_URL: options.redisUrl,
    ...(options.adminPassword === undefined ? {} : { JOBTRAIL_ADMIN_PASSWORD: options.adminPassword }),
    ...(options.secretKeys === undefined ? {} : { JOBTRAIL_SECRET_KEYS: options.secretKeys }),
    ...(options.main === undefined && existsSync(CONSOLE_DIST) ? { JOBTRAIL_STATIC_DIR: CONSOLE_DIST } : {}),
    ...options.env,
  }
  return new ManagedProcess({
    name: options.serverId,
    command: process.execPath,
    args: ['--enable-source-maps', '--max-semi-space-size=32', options.main ?? SERVER_MAIN],
    env,
    logFile: options.logFile,
  })
}

/** Waits until a server that was started says that it is ready. */
export async function waitUntilReady(server: ManagedProcess, port: number, timeoutMs = 60_000): Promise<void> {
  await server.waitUntil(() => isHttpOk(`http://127.0.0.1:${port}/health/ready`), {
    timeoutMs,
    what: `${server.name} was ready on port ${port}`,
    intervalMs: 100,
  })
}

/** How one Jobtrail worker is to be started. */
export interface WorkerOptions {
  name: string
  /** The address of the load balancer, or of a server. */
  server: string
  token: string
  slots: number
  spoolDir: string
  logFile: string
  /** More arguments, e.g. `--tags a,b`. */
  args?: readonly string[]
  baseEnv?: NodeJS.ProcessEnv
  env?: Environment
  /** The program to run instead of the command-line worker: one made with the SDK. */
  main?: string
}

/** A Jobtrail worker, not yet started. */
export function workerProcess(options: WorkerOptions): ManagedProcess {
  const { name, server, slots, spoolDir } = options
  return new ManagedProcess({
    name,
    command: process.execPath,
    args: [
      ...['--enable-source-maps', options.main ?? WORKER_MAIN, '--server', server, '--name', name],
      ...['--slots', String(slots), '--spool-dir', spoolDir, ...(options.args ?? [])],
    ],
    // By environment, because arguments can be read by every user of the machine.
    env: { ...(options.baseEnv ?? process.env), JOBTRAIL_TOKEN: options.token, ...options.env },
    logFile: options.logFile,
    // It has processes of its own to end.
    deathSignal: 'SIGTERM',
  })
}
