import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type Balancer, startBalancer } from '@jobtrail/deploy/balancer'
import { type ReplicaSet, startReplicaSet } from '@jobtrail/deploy/mongod'
import { REPO_ROOT, SERVER_MAIN, WORKER_MAIN } from '@jobtrail/deploy/paths'
import { freePorts } from '@jobtrail/deploy/ports'
import { type Redis, startRedis } from '@jobtrail/deploy/redis'
import { isHttpOk, waitFor } from '@jobtrail/deploy/wait'
import { RUN_VARIABLE } from '../oracle/leftovers.js'
import { Claims, type Named } from './claims.js'
import { Disks } from './disks.js'
import { type FormerBuild, formerBuild } from './former-build.js'
import { Link } from './link.js'
import { PRESENT_TAG, ServerProgram, WorkerProgram } from './program.js'
import { type Access, signIn } from './sign-in.js'

const SERVERS = 3
/** The namespace of each worker. */
const WORKERS = ['alpha', 'alpha', 'alpha', 'beta'] as const
const SLOTS = 10
const MONGO_MEMBERS = 3
/** Short, so that in a minute leases run out and are taken over many times. */
export const LEASE_MS = 8_000
const DATABASE = 'jobtrail_chaos'
const ADMIN_PASSWORD = 'chaos-admin-password'
/** What is made known late, by an answer or a list, may be older by so much. */
const KNOWN_LATE_MS = 10_000

/** A member of the replica set, as something to be hurt. */
export interface MongoMember extends Named {
  readonly index: number
}

/** What the bench hurts: servers behind a load balancer, workers, a replica set and Redis, all of it its own. */
export class ChaosCluster {
  readonly servers: ServerProgram[] = []
  readonly workers: WorkerProgram[] = []
  readonly claims = new Claims()
  readonly mongoMembers: readonly MongoMember[] = Array.from({ length: MONGO_MEMBERS }, (_, index) => ({ name: `mongod-${index}`, index }))
  readonly redisNode: Named = { name: 'redis' }
  /** Set once the first server has made the first user. */
  access!: Access
  private readonly links: Link[] = []
  private readonly secretKey = randomBytes(32).toString('base64')

  private constructor(
    /** Marks every process of this run. */
    readonly run: string,
    readonly dir: string,
    readonly replicaSet: ReplicaSet,
    readonly redis: Redis,
    readonly former: FormerBuild,
    private readonly disks: Disks,
    private readonly balancer: Balancer,
  ) {}

  /** Where clients ask: the load balancer first, then each server. */
  get urls(): string[] {
    return [this.balancer.url, ...this.servers.map(({ url }) => url)]
  }

  /** Where servers of the present version answer: the load balancer asks whichever there is. */
  get presentUrls(): string[] {
    const present = this.servers.filter(({ build }) => build === 'present')
    return present.length === this.servers.length ? this.urls : present.map(({ url }) => url)
  }

  /** Whether a server of the former version may have had to do with something that became known at `time`. */
  wasFormerUp(time: number): boolean {
    return this.servers.some((server) => server.wasFormer(time - KNOWN_LATE_MS))
  }

  /** The same of this worker. */
  wasFormerWorker(name: string | undefined, time: number): boolean {
    return this.workers.some((worker) => worker.name === name && worker.wasFormer(time - KNOWN_LATE_MS))
  }

  /** Files of servers, workers and stores in which no secret may be. */
  get filesToScan(): string[] {
    const redisDir = join(this.dir, 'redis')
    const ofRedis = readdirSync(redisDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    return [
      ...[...this.servers, ...this.workers].map(({ logFile }) => logFile),
      ...this.replicaSet.members.map(({ process }) => process.logFile),
      ...ofRedis.map(({ parentPath, name }) => join(parentPath, name)),
    ]
  }

  get mongoUri(): string {
    return this.replicaSet.uri(DATABASE)
  }

  get witnessDir(): string {
    return join(this.dir, 'witness')
  }

  get diskProblem(): string | undefined {
    return this.disks.problem
  }

  /** Starts all of it; on a failure nothing is left behind. */
  static async start(options: { useFormer: boolean }): Promise<ChaosCluster> {
    const run = randomBytes(6).toString('hex')
    // Inherited by whatever is started from here on: what is left in the end is found by it.
    process.env[RUN_VARIABLE] = run
    const dir = await mkdtemp(join(tmpdir(), 'jobtrail-chaos-'))
    await mkdir(join(dir, 'witness'))
    const former: FormerBuild = options.useFormer ? await formerBuild() : { missing: 'not asked for' }
    const disks = new Disks(dir)
    const ports = await freePorts(SERVERS)
    const [replicaSet, redis, balancer] = await Promise.all([
      startReplicaSet({ dir: join(dir, 'mongo'), members: MONGO_MEMBERS, electionTimeoutMs: 2_000, cacheGb: 0.25 }),
      startRedis({ dir: join(dir, 'redis'), appendonly: true }),
      startBalancer({ dir: join(dir, 'balancer'), kind: 'auto', upstreams: ports.map((port) => `127.0.0.1:${port}`) }),
    ])
    const cluster = new ChaosCluster(run, dir, replicaSet, redis, former, disks, balancer)
    try {
      for (const port of ports) cluster.servers.push(await cluster.makeServer(port))
      for (const server of cluster.servers) server.start()
      for (const server of cluster.servers) await cluster.waitUntilReady(server)
      cluster.access = await signIn(balancer.url, ADMIN_PASSWORD)
      for (const namespace of WORKERS) cluster.workers.push(await cluster.makeWorker(namespace))
      for (const worker of cluster.workers) worker.start()
      return cluster
    } catch (error) {
      await cluster.stop({ keep: true })
      throw error
    }
  }

  /** Waits until a server that was started is ready; throws when it ends instead. */
  async waitUntilReady(server: ServerProgram, timeoutMs = 90_000): Promise<void> {
    await server.process.waitUntil(() => isHttpOk(`${server.url}/health/ready`), { timeoutMs, what: `${server.name} was ready`, intervalMs: 200 })
  }

  /** Keeps logs and the jobs' own files where they outlive the run. */
  keepLogs(): string {
    const target = join(REPO_ROOT, 'test/results', basename(this.dir))
    mkdirSync(target, { recursive: true })
    for (const { name, logFile } of [...this.servers, ...this.workers]) cpSync(logFile, join(target, `${name}.log`), { force: true })
    cpSync(this.witnessDir, join(target, 'witness'), { recursive: true, force: true })
    for (const { process } of this.replicaSet.members) cpSync(process.logFile, join(target, basename(process.logFile)), { force: true })
    return target
  }

  /** Ends the workers in good order and waits until they are gone; what they leave running is a fault. */
  async stopWorkers(): Promise<void> {
    await Promise.all(this.workers.map(({ process }) => process.stop(15_000)))
  }

  /** Ends everything and, unless it is to be kept, removes the folder. */
  async stop({ keep }: { keep: boolean }): Promise<void> {
    const programs = [...this.workers, ...this.servers].filter(({ isRunning }) => isRunning)
    await Promise.all(programs.map(({ process }) => process.stop(15_000)))
    await this.balancer.stop()
    await Promise.all(this.links.map((link) => link.stop()))
    await Promise.all([this.redis.stop(), this.replicaSet.stop({ fast: true })])
    this.disks.unmountAll()
    if (!keep) await waitFor(() => rm(this.dir, { recursive: true, force: true }).then(() => true), { timeoutMs: 20_000, what: `${this.dir} to be removed` })
  }

  private async makeServer(port: number): Promise<ServerProgram> {
    const name = `server-${this.servers.length}`
    const mongoLinks: Link[] = []
    for (const member of this.replicaSet.members) mongoLinks.push(await this.openLink(`${name} to mongod-${member.index}`, member.port))
    const redisLink = await this.openLink(`${name} to redis`, this.redis.port)
    const routes = new Map(this.replicaSet.members.map(({ port: from }, i) => [from, required(mongoLinks[i])]))
    routes.set(this.redis.port, redisLink)
    const env = {
      ...cleanEnvironment(),
      JOBTRAIL_PORT: String(port),
      JOBTRAIL_HOST: '127.0.0.1',
      JOBTRAIL_SERVER_ID: name,
      JOBTRAIL_ADMIN_PASSWORD: ADMIN_PASSWORD,
      // The former version knows no such key: it hands out what is stored, sealed.
      JOBTRAIL_SECRET_KEYS: `chaos:${this.secretKey}`,
      JOBTRAIL_LEASE_MS: String(LEASE_MS),
      JOBTRAIL_KEY_PREFIX: `chaos-${this.run}`,
      MONGODB_URI: this.mongoUri,
      REDIS_URL: this.redis.url,
    }
    const mains = { present: SERVER_MAIN, former: 'missing' in this.former ? undefined : this.former.serverMain }
    return new ServerProgram({ name, dir: this.dir, mains, args: [], env, routes, deathSignal: 'SIGKILL' }, port, mongoLinks, redisLink)
  }

  private async makeWorker(namespace: string): Promise<WorkerProgram> {
    const name = `worker-${this.workers.length}`
    const link = await this.openLink(`${name} to the load balancer`, this.balancer.port)
    const disk = this.disks.mount(name)
    const spoolDir = join(disk ?? this.dir, `${name}-spool`)
    await mkdir(spoolDir, { recursive: true })
    const args = ['--server', `http://127.0.0.1:${link.port}`, '--name', name, '--slots', String(SLOTS), '--spool-dir', spoolDir, '--drain-timeout', '2000']
    const handlers = ['--handlers', join(REPO_ROOT, 'test/support/handlers.mjs')]
    const mains = { present: WORKER_MAIN, former: 'missing' in this.former ? undefined : this.former.workerMain }
    const options = {
      name,
      dir: this.dir,
      mains,
      args: [...args, ...handlers],
      presentArgs: ['--tags', PRESENT_TAG],
      env: cleanEnvironment(),
      deathSignal: 'SIGTERM',
    } as const
    return new WorkerProgram(options, namespace, link, disk, await this.access.workerToken(namespace))
  }

  private async openLink(name: string, target: number): Promise<Link> {
    const link = await Link.open(name, target)
    this.links.push(link)
    return link
  }
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the bench lost count of its parts')
  return value
}

/** What the bench's processes see of our own environment: no setting that could change a result. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const unwanted = /^(JOBTRAIL_|VITEST|TEST$|NODE_ENV$|NODE_OPTIONS$|MONGODB_URI$|REDIS_URL$|npm_)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !unwanted.test(name)))
}
