import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, portProblem } from '@jobtrail/deploy/ports'
import { ManagedProcess } from '@jobtrail/deploy/process'
import { findRedis } from '@jobtrail/deploy/redis'
import { waitFor } from '@jobtrail/deploy/wait'
import { Redis } from 'ioredis'

const HOST = '127.0.0.1'
const SLOTS = 16_384
/** A node of a Redis Cluster listens on its port and on this much above it. */
const BUS_OFFSET = 10_000
const FIRST_OUTGOING = 32_768
const READY = { timeoutMs: 30_000, intervalMs: 100 }
/** Name by which Sentinels know the primary. */
const PRIMARY = 'primary'

/** Several Redis processes that fail over by themselves. */
export interface RedisTopology {
  /** As REDIS_URL wants it. */
  readonly url: string
  /** Where the primaries are now. */
  primaries(): Promise<number[]>
  /** Kills the process that listens there. */
  kill(port: number): Promise<void>
  /** Starts it again, as a replica by then. */
  restart(port: number): void
  stop(): Promise<void>
}

/** Asks one node. */
async function ask<T>(port: number, question: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({ host: HOST, port, maxRetriesPerRequest: 1, connectTimeout: 2_000, retryStrategy: null })
  redis.on('error', () => undefined)
  try {
    return await question(redis)
  } finally {
    redis.disconnect()
  }
}

async function reply(port: number, ...[command = '', ...args]: string[]): Promise<string> {
  return String(await ask(port, (redis) => redis.call(command, ...args)))
}

class Processes {
  private readonly all = new Map<number, ManagedProcess>()

  constructor(
    private readonly program: string,
    private readonly dir: string,
  ) {}

  /** `configuration`: lines of a redis.conf, without the port. */
  async start(port: number, configuration: string[], args: string[] = []): Promise<void> {
    const dir = join(this.dir, String(port))
    await mkdir(dir, { recursive: true })
    const file = join(dir, 'redis.conf')
    await writeFile(file, [`port ${port}`, `bind ${HOST}`, `dir ${dir}`, ...configuration].join('\n'))
    const process = new ManagedProcess({
      name: `redis ${port}`,
      command: this.program,
      args: [file, ...args],
      logFile: join(dir, 'redis.log'),
      deathSignal: 'SIGKILL',
    })
    this.all.set(port, process)
    process.start()
    await waitFor(() => isUp(port), { ...READY, what: `Redis on port ${port}` })
  }

  at(port: number): ManagedProcess {
    const process = this.all.get(port)
    if (process === undefined) throw new Error(`no Redis listens on ${port}`)
    return process
  }

  async stop(): Promise<void> {
    await Promise.all([...this.all.values()].map((process) => process.kill()))
  }
}

const isUp = (port: number): Promise<boolean> =>
  reply(port, 'PING').then(
    (text) => text === 'PONG',
    () => false,
  )

const MEMORY_ONLY = ['save ""', 'appendonly no', 'maxmemory-policy noeviction']

/** Its second port must be free too, and below those that the kernel gives to outgoing connections. */
async function clusterPort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = await freePort()
    const bus = port + BUS_OFFSET
    if (bus < FIRST_OUTGOING && (await portProblem(bus)) === undefined) return port
  }
  throw new Error('no port was found whose second port is free, too')
}

/** Starts what `start` needs; when it fails, nothing of that is left. */
async function withProcesses(dir: string, start: (processes: Processes) => Promise<RedisTopology>): Promise<RedisTopology> {
  const processes = new Processes(await findRedis(), dir)
  try {
    return await start(processes)
  } catch (error) {
    await processes.stop()
    throw error
  }
}

/** A Redis Cluster of three primaries with a replica each. */
export const startRedisCluster = (dir: string): Promise<RedisTopology> => withProcesses(dir, makeCluster)

async function makeCluster(processes: Processes): Promise<RedisTopology> {
  const ports: number[] = []
  for (let i = 0; i < 6; i++) {
    const port = await clusterPort()
    ports.push(port)
    await processes.start(port, [...MEMORY_ONLY, 'cluster-enabled yes', 'cluster-config-file nodes.conf', 'cluster-node-timeout 1500'])
  }
  const [first = 0] = ports
  const primaries = ports.slice(0, 3)
  for (const [i, port] of primaries.entries()) {
    const slots = Array.from({ length: SLOTS }, (_, slot) => slot).filter((slot) => Math.floor((slot * primaries.length) / SLOTS) === i)
    await reply(port, 'CLUSTER', 'ADDSLOTS', ...slots.map(String))
    await reply(port, 'CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1))
  }
  for (const port of ports.slice(1)) await reply(port, 'CLUSTER', 'MEET', HOST, String(first))
  const knowsAll = async (port: number): Promise<boolean> => (await reply(port, 'CLUSTER', 'INFO')).includes(`cluster_known_nodes:${ports.length}`)
  for (const port of ports) await waitFor(() => knowsAll(port), { ...READY, what: `node ${port} to know all` })
  for (const [i, primary] of primaries.entries()) {
    const replica = ports[i + primaries.length] ?? 0
    await reply(replica, 'CLUSTER', 'REPLICATE', await reply(primary, 'CLUSTER', 'MYID'))
  }
  for (const port of ports.slice(primaries.length)) {
    await waitFor(async () => (await reply(port, 'INFO', 'replication')).includes('master_link_status:up'), { ...READY, what: `replica ${port} to follow` })
  }
  for (const port of ports) {
    await waitFor(async () => (await reply(port, 'CLUSTER', 'INFO')).includes('cluster_state:ok'), { ...READY, what: `node ${port} to be ready` })
  }
  return topology(`redis-cluster://${ports.map((port) => `${HOST}:${port}`).join(',')}`, ports, processes)
}

/** A primary and a replica, watched by three Sentinels. */
export const startSentinels = (dir: string): Promise<RedisTopology> => withProcesses(dir, makeSentinels)

async function makeSentinels(processes: Processes): Promise<RedisTopology> {
  const data = [await freePort(), await freePort()]
  const [primary = 0, replica = 0] = data
  await processes.start(primary, MEMORY_ONLY)
  await processes.start(replica, [...MEMORY_ONLY, `replicaof ${HOST} ${primary}`])
  await waitFor(async () => (await reply(replica, 'INFO', 'replication')).includes('master_link_status:up'), { ...READY, what: 'the replica to follow' })
  const sentinels: number[] = []
  for (let i = 0; i < 3; i++) {
    const port = await freePort()
    sentinels.push(port)
    const watch = [
      `sentinel monitor ${PRIMARY} ${HOST} ${primary} 2`,
      `sentinel down-after-milliseconds ${PRIMARY} 1000`,
      `sentinel failover-timeout ${PRIMARY} 3000`,
    ]
    await processes.start(port, watch, ['--sentinel'])
  }
  for (const port of sentinels) {
    const knowsAll = async (): Promise<boolean> => {
      const text = await reply(port, 'SENTINEL', 'MASTER', PRIMARY)
      return text.includes('num-slaves,1') && text.includes('num-other-sentinels,2')
    }
    await waitFor(knowsAll, { ...READY, what: `Sentinel ${port} to know the others` })
  }
  return topology(`redis-sentinel://${sentinels.map((port) => `${HOST}:${port}`).join(',')}/${PRIMARY}`, data, processes)
}

/** `ports`: of those that hold data, and may be primaries. */
function topology(url: string, ports: readonly number[], processes: Processes): RedisTopology {
  return {
    url,
    primaries: async () => {
      const isPrimary = await Promise.all(ports.map((port) => isRole(port, 'master')))
      return ports.filter((_, i) => isPrimary[i])
    },
    kill: async (port) => void (await processes.at(port).kill()),
    restart: (port) => processes.at(port).start(),
    stop: () => processes.stop(),
  }
}

const isRole = (port: number, role: string): Promise<boolean> =>
  reply(port, 'ROLE').then(
    (text) => text.startsWith(role),
    () => false,
  )
