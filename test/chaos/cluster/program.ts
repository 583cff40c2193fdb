import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPO_ROOT } from '@jobtrail/deploy/paths'
import { ManagedProcess } from '@jobtrail/deploy/process'
import type { Named } from './claims.js'
import type { Link } from './link.js'

const PRELOAD = join(REPO_ROOT, 'test/chaos/preload.mjs')

/** Of workers of the present version: for jobs that must not run on a former one. */
export const PRESENT_TAG = 'present'

/** Which build a program is run from. */
export type Build = 'present' | 'former'

/** What differs between the two builds of a program. */
export interface ProgramOptions {
  name: string
  dir: string
  /** The compiled entry point of each build. */
  mains: Readonly<Record<Build, string | undefined>>
  args: readonly string[]
  /** Given to the present build besides. */
  presentArgs?: readonly string[]
  env: NodeJS.ProcessEnv
  /** Connections of its own, by the port that it believes to connect to. */
  routes?: ReadonlyMap<number, Link>
  deathSignal: 'SIGTERM' | 'SIGKILL'
}

/** A server or worker of the bench: a process that can be run from either build, with a wall clock and connections that can be hurt. */
export class Program implements Named {
  readonly name: string
  private currentBuild: Build = 'present'
  private leftFormerAt = 0
  protected env: NodeJS.ProcessEnv
  private current: ManagedProcess | undefined
  private readonly clockFile: string

  constructor(protected readonly options: ProgramOptions) {
    this.name = options.name
    this.env = options.env
    this.clockFile = join(options.dir, `${options.name}.clock`)
    writeFileSync(this.clockFile, '0')
  }

  get build(): Build {
    return this.currentBuild
  }

  set build(build: Build) {
    if (this.currentBuild === 'former' && build === 'present') this.leftFormerAt = Date.now()
    this.currentBuild = build
  }

  /** Whether it has run the former build since then. */
  wasFormer(since: number): boolean {
    return this.currentBuild === 'former' || this.leftFormerAt >= since
  }

  get hasFormer(): boolean {
    return this.options.mains.former !== undefined
  }

  get logFile(): string {
    return join(this.options.dir, `${this.name}.log`)
  }

  get isRunning(): boolean {
    return this.current?.isRunning === true
  }

  get process(): ManagedProcess {
    if (this.current === undefined) throw new Error(`${this.name} was never started`)
    return this.current
  }

  start(): void {
    const { name, mains, args, presentArgs = [], routes, deathSignal } = this.options
    const main = mains[this.build]
    if (main === undefined) throw new Error(`${name} has no ${this.build} build`)
    const env: NodeJS.ProcessEnv = {
      ...this.env,
      NODE_OPTIONS: `--import=${PRELOAD}`,
      CHAOS_CLOCK_FILE: this.clockFile,
      ...(routes === undefined ? {} : { CHAOS_ROUTES: [...routes].map(([from, link]) => `${from}=${link.port}`).join(',') }),
    }
    this.current = new ManagedProcess({
      name,
      command: process.execPath,
      args: ['--enable-source-maps', main, ...args, ...(this.build === 'present' ? presentArgs : [])],
      env,
      logFile: this.logFile,
      deathSignal,
    })
    this.current.start()
  }

  /** Steps its wall clock to so many milliseconds beside the machine's. */
  setClock(offsetMs: number): void {
    writeFileSync(this.clockFile, String(Math.round(offsetMs)))
  }

  get clockOffsetMs(): number {
    return Number(readFileSync(this.clockFile, 'utf8'))
  }
}

/** One Jobtrail server. */
export class ServerProgram extends Program {
  constructor(
    options: ProgramOptions,
    readonly port: number,
    /** To each member of the replica set, and to Redis. */
    readonly mongoLinks: readonly Link[],
    readonly redisLink: Link,
  ) {
    super(options)
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }
}

/** One Jobtrail worker. */
export class WorkerProgram extends Program {
  constructor(
    options: ProgramOptions,
    readonly namespace: string,
    /** To the load balancer. */
    readonly link: Link,
    /** A small file system of its own that holds its spool, where one could be mounted. */
    readonly disk: string | undefined,
    public token: { id: string; token: string },
  ) {
    super(options)
    this.setToken(token)
  }

  setToken(token: { id: string; token: string }): void {
    this.token = token
    this.env = { ...this.env, JOBTRAIL_TOKEN: token.token }
  }
}
