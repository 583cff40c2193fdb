import { connect } from 'node:net'
import { MongoClient } from 'mongodb'
import { ApiClient, ApiError } from './api-client.js'
import { startBalancer } from './balancer.js'
import { type DataFolder, type Secrets, type WorkerToken } from './data-folder.js'
import { databaseOf, withDatabase } from './mongo-uri.js'
import { startReplicaSet } from './mongod.js'
import type { StartOptions } from './options.js'
import { displayPath } from './paths.js'
import type { ManagedProcess } from './process.js'
import { type ServerOptions, serverProcess, waitUntilReady, workerProcess } from './programs.js'
import { startRedis } from './redis.js'
import { say } from './say.js'
import { SetupError } from './setup-error.js'
import { Supervisor } from './supervisor.js'
import { waitFor } from './wait.js'

const WORKER_SLOTS = 8
/** A started worker is given this long to finish its runs at Ctrl-C; then they are cancelled. */
const DRAIN_TIMEOUT_MS = 3_000

/** Everything that `npm start` runs, started in order and ended in the opposite one. */
export class Stack {
  readonly servers: ManagedProcess[] = []
  readonly workers: ManagedProcess[] = []
  private readonly supervisor: Supervisor
  private readonly stops: (() => Promise<void>)[] = []
  private stopped: Promise<void> | undefined

  constructor(
    private readonly options: StartOptions,
    private readonly folder: DataFolder,
    giveUp: (reason: string) => void,
  ) {
    this.supervisor = new Supervisor(giveUp)
  }

  get url(): string {
    return `http://127.0.0.1:${this.options.port}`
  }

  /** Starts all of it and returns a signed-in client at the load balancer. */
  async start(secrets: Secrets): Promise<ApiClient> {
    const mongodbUri = await this.startMongo()
    const redisUrl = await this.startRedis()
    const adminPassword = this.options.adminPassword ?? secrets.adminPassword
    await this.startServers({ mongodbUri, redisUrl, adminPassword, secretKeys: secrets.secretKeys })
    await this.startBalancer()
    const api = await this.signIn(adminPassword, secrets.adminPassword)
    const workerToken = await this.workerToken(api, secrets.workerToken)
    // Not before the sign-in: a wrong password must not take the place of the right one.
    await this.folder.writeSecrets({ adminPassword, secretKeys: secrets.secretKeys, workerToken })
    await this.startWorkers(workerToken.token)
    return api
  }

  /** Ends everything; may be called at any time, also while it is being started. */
  stop(): Promise<void> {
    this.supervisor.stop()
    this.stopped ??= this.stopAll()
    return this.stopped
  }

  private async stopAll(): Promise<void> {
    // One after another: workers hand in what they have while the servers are still there.
    for (let stop = this.stops.pop(); stop !== undefined; stop = this.stops.pop()) await stop()
  }

  /** Registers how to end something, before it is waited for; ends it at once when we are ending. */
  private async onStop(stop: () => Promise<void>): Promise<void> {
    if (this.stopped === undefined) {
      this.stops.push(stop)
      return
    }
    await stop()
    throw new Error('stopped while starting')
  }

  private async startMongo(): Promise<string> {
    const { mongodbUri } = this.options
    if (mongodbUri !== undefined) {
      await checkMongo(mongodbUri)
      return databaseOf(mongodbUri) === undefined ? withDatabase(mongodbUri, 'jobtrail') : mongodbUri
    }
    say('starting MongoDB (a replica set of one)')
    const set = await startReplicaSet({ dir: this.folder.path('mongo') })
    await this.onStop(() => set.stop())
    for (const { process } of set.members) this.supervisor.watch(process)
    return set.uri('jobtrail')
  }

  private async startRedis(): Promise<string> {
    const { redisUrl } = this.options
    if (redisUrl !== undefined) {
      await checkRedis(redisUrl)
      return redisUrl
    }
    say('starting Redis')
    const redis = await startRedis({ dir: this.folder.path('redis'), appendonly: true })
    await this.onStop(() => redis.stop())
    this.supervisor.watch(redis.process)
    return redis.url
  }

  private async startServers(common: Pick<ServerOptions, 'mongodbUri' | 'redisUrl' | 'adminPassword' | 'secretKeys'>): Promise<void> {
    const { servers: count, port } = this.options
    const ports = Array.from({ length: count }, (_unused, index) => port + 1 + index)
    say(`starting ${count} ${count === 1 ? 'server' : 'servers'} on ${ports.join(', ')}`)
    for (const [index, serverPort] of ports.entries()) {
      const serverId = `server-${index + 1}`
      const logFile = this.folder.path('logs', `${serverId}.log`)
      // Others reach them through the load balancer only, so that nobody can say of themselves where they come from.
      this.servers.push(serverProcess({ ...common, port: serverPort, serverId, logFile, env: { JOBTRAIL_HOST: '127.0.0.1' } }))
    }
    await this.onStop(async () => void (await Promise.all(this.servers.map((server) => server.stop(12_000)))))
    for (const server of this.servers) server.start()
    await Promise.all(this.servers.map((server, index) => waitUntilReady(server, port + 1 + index)))
    for (const server of this.servers) this.supervisor.watch(server)
  }

  private async startBalancer(): Promise<void> {
    const { port } = this.options
    const balancer = await startBalancer({
      dir: this.folder.path('balancer'),
      port,
      upstreams: this.servers.map((_server, index) => `127.0.0.1:${port + 1 + index}`),
    })
    await this.onStop(() => balancer.stop())
    this.supervisor.watch(balancer.process)
    say(`load balancer (${balancer.kind === 'nginx' ? 'nginx' : 'Node proxy'}) listens on ${port}`)
  }

  private async signIn(password: string, keptPassword: string): Promise<ApiClient> {
    try {
      return await ApiClient.login(this.url, 'admin', password)
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error
      const kept = displayPath(this.folder.path('secrets.json'))
      throw new SetupError(
        this.options.adminPassword === undefined
          ? `the password kept in ${kept} is not that of the user admin: it was changed since, or this database was set up elsewhere. Give the present one in JOBTRAIL_ADMIN_PASSWORD once, and it is kept`
          : `the password in JOBTRAIL_ADMIN_PASSWORD is not that of the user admin: it sets the password at the first start only. Give the present one${password === keptPassword ? '' : `, or none to go on with the one kept in ${kept}`}; the console changes it`,
        { cause: error },
      )
    }
  }

  /** The token of the last start if it still works, else a new one: they are not to pile up. */
  private async workerToken(api: ApiClient, kept: WorkerToken | undefined): Promise<WorkerToken> {
    type Token = { id: string; revokedAt: string | null }
    const page = await api.get<{ items: Token[] }>('/api/worker-tokens?namespace=default&limit=1000')
    if (kept !== undefined && page.items.some(({ id, revokedAt }) => id === kept.id && revokedAt === null)) {
      return kept
    }
    const { id, token } = await api.post<WorkerToken>('/api/worker-tokens', { namespace: 'default', name: 'npm-start' })
    return { id, token }
  }

  private async startWorkers(token: string): Promise<void> {
    const { workers: count } = this.options
    if (count === 0) return
    say(`starting ${count} ${count === 1 ? 'worker' : 'workers'} with ${WORKER_SLOTS} slots`)
    for (let number = 1; number <= count; number++) {
      const name = `worker-${number}`
      const spoolDir = this.folder.path('workers', name)
      const logFile = this.folder.path('logs', `${name}.log`)
      const args = ['--drain-timeout', String(DRAIN_TIMEOUT_MS)]
      this.workers.push(workerProcess({ name, server: this.url, token, slots: WORKER_SLOTS, spoolDir, logFile, args }))
    }
    await this.onStop(async () => void (await Promise.all(this.workers.map((worker) => worker.stop(15_000)))))
    for (const worker of this.workers) {
      worker.start()
      this.supervisor.watch(worker)
    }
  }
}

async function checkMongo(uri: string): Promise<void> {
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: 5_000 })
  try {
    const hello = await client.db('admin').command({ hello: 1 })
    // mongos, the router of a sharded cluster, says isdbgrid instead of the name of a set.
    if (hello['setName'] === undefined && hello['msg'] !== 'isdbgrid') {
      throw new SetupError('the given MongoDB is no replica set: Jobtrail needs one for majority writes (mongod --replSet)')
    }
  } catch (error) {
    if (error instanceof SetupError) throw error
    throw new SetupError(`the given MongoDB cannot be used: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  } finally {
    await client.close()
  }
}

async function checkRedis(url: string): Promise<void> {
  const { hostname, port } = new URL(url)
  await waitFor(
    () =>
      new Promise<boolean>((resolve, reject) => {
        const socket = connect({ host: hostname, port: port === '' ? 6379 : Number(port) })
        socket.setTimeout(2_000, () => socket.destroy(new Error('no answer')))
        socket.once('error', reject)
        socket.once('connect', () => {
          socket.destroy()
          resolve(true)
        })
      }),
    { timeoutMs: 3_000, what: 'a connection', intervalMs: 500 },
  ).catch((error: unknown) => {
    throw new SetupError(`the given Redis at ${hostname} cannot be reached: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  })
}
