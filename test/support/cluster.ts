import { cp, mkdtemp, mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { ApiClient } from '@jobtrail/deploy/api-client'
import { type Balancer, type BalancerKind, startBalancer } from '@jobtrail/deploy/balancer'
import { type ReplicaSet, startReplicaSet } from '@jobtrail/deploy/mongod'
import { REPO_ROOT } from '@jobtrail/deploy/paths'
import { freePort } from '@jobtrail/deploy/ports'
import { killChildrenOnSignals } from '@jobtrail/deploy/process'
import { serverProcess, workerProcess } from '@jobtrail/deploy/programs'
import { type Redis, startRedis } from '@jobtrail/deploy/redis'
import { waitFor } from '@jobtrail/deploy/wait'
import { WorkerPage } from '@jobtrail/shared/api/cluster'
import { type Db, MongoClient } from 'mongodb'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { testInfra } from './infra.js'
import { ServerNode, WorkerNode } from './nodes.js'

/** What a cluster is made of. */
export interface ClusterOptions {
  /** 2 when left out. */
  servers?: number
  /** 1 when left out. */
  workers?: number
  /** 'auto' (the default) is nginx where it can be had, else the Node proxy. With 'none', workers connect to server 0. */
  balancer?: BalancerKind | 'auto' | 'none'
  /** A replica set of its own with so many members, to be hurt; without it the shared MongoDB. */
  mongoMembers?: number
  /** A Redis of its own, to be hurt. Also without this option when `mongoMembers` is given. */
  ownRedis?: boolean
  /** Where Redis is, instead of the shared one: asked for when the cluster is started. */
  redisUrl?: () => string
  /** More environment for the servers (also a function of the server's number). */
  serverEnv?: Record<string, string> | ((index: number) => Record<string, string>)
  /** More arguments for the workers (also a function of the worker's number). */
  workerArgs?: readonly string[] | ((index: number) => readonly string[])
  workerEnv?: Record<string, string>
  /** Slots of each worker; 8 when left out. */
  slots?: number
  /** A program made with the SDK to run as workers, instead of the command-line worker. */
  workerMain?: string
}

/** The password of `admin` in each test cluster. */
export const ADMIN_PASSWORD = 'test-admin-password'

/** What each test cluster seals jobs' secrets with. */
export const TEST_SECRET_KEYS = `test:${Buffer.alloc(32, 'test').toString('base64')}`

/** What a test's processes see of our own environment: no setting that could change a result. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const unwanted = /^(JOBTRAIL_|VITEST|TEST$|NODE_ENV$|NODE_OPTIONS$|MONGODB_URI$|REDIS_URL$|npm_)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !unwanted.test(name)))
}

/** The parts that a cluster is put together from. */
interface ClusterParts {
  dir: string
  database: string
  mongodbUri: string
  redisUrl: string
  keyPrefix: string
  replicaSet: ReplicaSet | undefined
  redis: Redis | undefined
}

/** Servers, workers, load balancer, MongoDB and Redis as real processes. */
export class Cluster {
  readonly servers: ServerNode[] = []
  readonly workers: WorkerNode[] = []
  balancer: Balancer | undefined
  private readonly clients: MongoClient[] = []
  private admin: ApiClient | undefined
  // Servers are added side by side: the number is taken before anything is waited for.
  private nextServer = 0

  constructor(
    private readonly parts: ClusterParts,
    private readonly options: ClusterOptions,
  ) {}

  /** Holds data, spools and logs; removed in the end. */
  get dir(): string {
    return this.parts.dir
  }

  get mongodbUri(): string {
    return this.parts.mongodbUri
  }

  get redisUrl(): string {
    return this.parts.redisUrl
  }

  get keyPrefix(): string {
    return this.parts.keyPrefix
  }

  /** The cluster's own replica set; an error without the option `mongoMembers`. */
  get replicaSet(): ReplicaSet {
    return required(this.parts.replicaSet, 'this cluster shares its MongoDB: give mongoMembers')
  }

  /** The cluster's own Redis; an error without the option `ownRedis`. */
  get redis(): Redis {
    return required(this.parts.redis, 'this cluster shares its Redis: give ownRedis')
  }

  /** Where clients and workers connect to. */
  get url(): string {
    return this.balancer?.url ?? this.server(0).url
  }

  server(index: number): ServerNode {
    return required(this.servers[index], `there is no server ${index}`)
  }

  worker(index: number): WorkerNode {
    return required(this.workers[index], `there is no worker ${index}`)
  }

  /** A client signed in as admin, at the load balancer unless told otherwise. */
  async api(base: string = this.url): Promise<ApiClient> {
    // One sign-in for all: attempts to sign in are limited, and a token is good on every server.
    this.admin ??= await ApiClient.login(base, 'admin', ADMIN_PASSWORD)
    return this.admin.at(base)
  }

  /** The database itself, to look behind the API. */
  async database(): Promise<Db> {
    const client = await MongoClient.connect(this.mongodbUri)
    this.clients.push(client)
    return client.db()
  }

  /** A new token that workers of the namespace can connect with. */
  async createWorkerToken(namespace = 'default'): Promise<string> {
    const api = await this.api()
    const name = `test-${Math.random().toString(36).slice(2, 10)}`
    const { token } = await api.post<{ token: string }>('/api/worker-tokens', { namespace, name })
    return token
  }

  /** Adds a server and starts it. */
  async addServer(): Promise<ServerNode> {
    const index = this.nextServer++
    const { serverEnv } = this.options
    const port = await freePort()
    const name = `server-${index}`
    const child = serverProcess({
      port,
      serverId: name,
      mongodbUri: this.mongodbUri,
      redisUrl: this.redisUrl,
      adminPassword: ADMIN_PASSWORD,
      logFile: join(this.dir, `${name}.log`),
      baseEnv: cleanEnvironment(),
      env: {
        JOBTRAIL_KEY_PREFIX: this.keyPrefix,
        JOBTRAIL_HOST: '127.0.0.1',
        JOBTRAIL_SECRET_KEYS: TEST_SECRET_KEYS,
        JOBTRAIL_UPGRADE_GRACE_MS: '0',
        ...(typeof serverEnv === 'function' ? serverEnv(index) : serverEnv),
      },
    })
    const server = new ServerNode(name, child, port)
    this.servers[index] = server
    await server.start()
    return server
  }

  /** Adds a worker and starts it; `waitForWorkers` waits until it is connected. */
  async addWorker(options: { token?: string; args?: readonly string[]; main?: string; slots?: number; server?: string } = {}): Promise<WorkerNode> {
    const index = this.workers.length
    const { workerArgs } = this.options
    const name = `worker-${index}`
    const spoolDir = join(this.dir, name)
    await mkdir(spoolDir, { recursive: true })
    const main = options.main ?? this.options.workerMain
    const child = workerProcess({
      name,
      server: options.server ?? this.url,
      token: options.token ?? (await this.createWorkerToken()),
      slots: options.slots ?? this.options.slots ?? 8,
      spoolDir,
      logFile: join(this.dir, `${name}.log`),
      args: options.args ?? (typeof workerArgs === 'function' ? workerArgs(index) : (workerArgs ?? [])),
      baseEnv: cleanEnvironment(),
      ...(this.options.workerEnv === undefined ? {} : { env: this.options.workerEnv }),
      ...(main === undefined ? {} : { main }),
    })
    const worker = new WorkerNode(name, child, spoolDir)
    this.workers.push(worker)
    worker.start()
    return worker
  }

  /** Waits until so many workers are connected (by default every one that runs). */
  async waitForWorkers(count = this.workers.filter((worker) => worker.isRunning).length, timeoutMs = 60_000): Promise<void> {
    await waitFor(
      async () => {
        const page = WorkerPage.parse(await (await this.api()).get('/api/workers'))
        return page.items.filter(({ state }) => state === 'connected').length >= count
      },
      { timeoutMs, what: `${count} connected workers`, intervalMs: 100 },
    )
  }

  /** The end of every log, for the report of a failed test. */
  tails(lines = 40): string {
    return [...this.servers, ...this.workers, ...(this.balancer === undefined ? [] : [this.balancer])]
      .map(({ process }) => `--- ${process.name} (${process.isRunning ? 'running' : 'not running'}), end of its log:\n${process.tail(lines)}`)
      .join('\n')
  }

  /** Copies the logs to where they outlive the cluster, and returns that folder. */
  async keepLogs(): Promise<string> {
    const target = join(REPO_ROOT, 'test/results', basename(this.dir))
    await mkdir(target, { recursive: true })
    for (const { process } of [...this.servers, ...this.workers]) {
      await cp(process.logFile, join(target, basename(process.logFile)), { force: true })
    }
    return target
  }

  /** Ends everything, workers first, and removes the folder. */
  async stop(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.stop(10_000)))
    await Promise.all(this.clients.map((client) => client.close()))
    // In good order they would wait for connections that nobody has any more; tests of how servers leave do that themselves.
    await Promise.all(this.servers.filter(({ isRunning }) => isRunning).map((server) => server.kill()))
    await this.balancer?.stop()
    await Promise.all([this.parts.redis?.stop(), this.parts.replicaSet?.stop({ fast: true })])
    await rm(this.dir, { recursive: true, force: true })
  }
}

function required<T>(value: T | undefined, message: string): T {
  if (value === undefined) throw new Error(message)
  return value
}

async function makeParts(options: ClusterOptions): Promise<ClusterParts> {
  const infra = testInfra()
  const dir = await mkdtemp(join(tmpdir(), 'jobtrail-cluster-'))
  const ownRedis = options.ownRedis ?? options.mongoMembers !== undefined
  const [replicaSet, redis] = await Promise.all([
    options.mongoMembers === undefined
      ? undefined
      : startReplicaSet({ dir: join(dir, 'mongo'), members: options.mongoMembers, electionTimeoutMs: 2_000, cacheGb: 0.25 }),
    ownRedis ? startRedis({ dir: join(dir, 'redis'), appendonly: true }) : undefined,
  ])
  return {
    dir,
    database: infra.database,
    mongodbUri: replicaSet?.uri(infra.database) ?? infra.mongodbUri,
    redisUrl: redis?.url ?? options.redisUrl?.() ?? infra.redisUrl,
    keyPrefix: infra.keyPrefix,
    replicaSet,
    redis,
  }
}

/** Starts a cluster; the caller stops it. Tests had better use `useCluster`. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  killChildrenOnSignals()
  const cluster = new Cluster(await makeParts(options), options)
  try {
    await Promise.all(Array.from({ length: options.servers ?? 2 }, () => cluster.addServer()))
    if (options.balancer !== 'none') {
      cluster.balancer = await startBalancer({
        dir: join(cluster.dir, 'balancer'),
        kind: options.balancer ?? 'auto',
        upstreams: cluster.servers.map(({ port }) => `127.0.0.1:${port}`),
      })
    }
    for (let index = 0; index < (options.workers ?? 1); index++) await cluster.addWorker()
    await cluster.waitForWorkers()
    return cluster
  } catch (error) {
    process.stderr.write(`${cluster.tails()}\n`)
    await cluster.stop()
    throw error
  }
}

/**
 * A cluster for the tests of the surrounding `describe` or file: started before the first, stopped
 * after the last; when a test fails, the ends of all logs are printed and the logs are kept.
 */
export function useCluster(options: ClusterOptions = {}): () => Cluster {
  let cluster: Cluster | undefined
  beforeAll(async () => {
    cluster = await startCluster(options)
  }, 180_000)
  afterEach(async ({ task }) => {
    if (cluster === undefined || task.result?.state !== 'fail') return
    const kept = await cluster.keepLogs()
    process.stderr.write(`\n=== ${task.name} failed; whole logs in ${kept}\n${cluster.tails()}\n`)
  })
  afterAll(async () => {
    await cluster?.stop()
  }, 120_000)
  return () => required(cluster, 'the cluster is there only while tests run')
}
