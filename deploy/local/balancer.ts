import { mkdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findNginx, writeNginxConfig } from './nginx.js'
import { freePort } from './ports.js'
import { ManagedProcess } from './process.js'
import { SetupError } from './setup-error.js'

/** nginx, or the small Node proxy for machines where nginx cannot be had. */
export type BalancerKind = 'nginx' | 'node'

/** How the load balancer is to be started. */
export interface BalancerOptions {
  /** Holds its configuration and log file. */
  dir: string
  /** host:port of each server. */
  upstreams: readonly string[]
  port?: number
  /** 'auto' is nginx where there is one. */
  kind?: BalancerKind | 'auto'
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    const answer = (connected: boolean): void => {
      socket.destroy()
      resolve(connected)
    }
    socket.once('connect', () => answer(true))
    socket.once('error', () => answer(false))
    socket.setTimeout(1_000, () => answer(false))
  })
}

/** A load balancer without stickiness. */
export class Balancer {
  constructor(
    readonly kind: BalancerKind,
    readonly port: number,
    readonly process: ManagedProcess,
  ) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Starts it and waits until it accepts connections, whether or not a server is there yet. */
  async start(timeoutMs = 15_000): Promise<void> {
    this.process.start()
    await this.process.waitUntil(() => canConnect(this.port), {
      timeoutMs,
      what: `the load balancer listened on port ${this.port}`,
    })
  }

  /** Freezes it: connections stay open and nothing passes. */
  pause(): void {
    this.process.signalGroup('SIGSTOP')
  }

  /** Wakes it up again. */
  resume(): void {
    this.process.signalGroup('SIGCONT')
  }

  /** Ends it at once with all its connections. */
  async kill(): Promise<void> {
    this.process.signalGroup('SIGKILL')
    await this.process.exited()
  }

  /** Ends it; connections through it are cut. */
  async stop(): Promise<void> {
    await this.process.stop(5_000)
  }
}

async function chooseKind(wanted: BalancerKind | 'auto'): Promise<string | undefined> {
  if (wanted === 'node') return undefined
  const nginx = await findNginx()
  if (nginx === undefined && wanted === 'nginx') {
    throw new SetupError('nginx is not on the PATH, and installing it needs root and apt-get')
  }
  return nginx
}

/** Starts a load balancer in front of `upstreams`. */
export async function startBalancer(options: BalancerOptions): Promise<Balancer> {
  const { dir, upstreams, port = await freePort(), kind = 'auto' } = options
  await mkdir(dir, { recursive: true })
  const nginx = await chooseKind(kind)
  const logFile = join(dir, 'balancer.log')
  const child =
    nginx === undefined
      ? new ManagedProcess({
          name: 'load balancer',
          command: process.execPath,
          args: [fileURLToPath(new URL('./node-balancer.js', import.meta.url)), String(port), ...upstreams],
          logFile,
        })
      : new ManagedProcess({
          name: 'nginx',
          command: nginx,
          args: await writeNginxConfig(dir, port, upstreams),
          logFile,
          // Its master ends its workers, given the chance.
          deathSignal: 'SIGTERM',
        })
  const balancer = new Balancer(nginx === undefined ? 'node' : 'nginx', port, child)
  try {
    await balancer.start()
    return balancer
  } catch (error) {
    await child.stop(2_000)
    throw error
  }
}
