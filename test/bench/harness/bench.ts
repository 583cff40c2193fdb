import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { startBalancer } from '@jobtrail/deploy/balancer'
import { type ReplicaSet, startReplicaSet } from '@jobtrail/deploy/mongod'
import { REPO_ROOT } from '@jobtrail/deploy/paths'
import { type Redis, startRedis } from '@jobtrail/deploy/redis'
import { MongoClient } from 'mongodb'
import { Cluster, type ClusterOptions } from '../../support/cluster.js'
import { writeCorpus } from './corpus.js'
import { type IngestionRun, measureIngestion } from './ingestion.js'
import type { BenchOptions } from './options.js'
import { OthersMeter } from './others-meter.js'
import { programPath } from './program.js'

/** Write and read concern as the servers have them. */
export const TRUTH = { writeConcern: { w: 'majority', journal: true }, readConcern: { level: 'majority' }, readPreference: 'primary' } as const

/** Lines of the file that printers print; longer logs print it several times. */
const CORPUS_LINES = 250_000
const SERVERS_LEAVE_MS = 30_000
const PROFILES = join(REPO_ROOT, 'test/results/profiles')

/** What the rows share: one MongoDB and one Redis for the whole run, clusters, and what was measured already. */
export class Bench {
  /** What other programs took of the machine during each run so far, from 0 to 1. */
  readonly othersShares: number[] = []
  private corpus: Promise<string> | undefined
  private ingestion: Promise<IngestionRun[]> | undefined

  private constructor(
    readonly options: BenchOptions,
    private readonly dir: string,
    private readonly replicaSet: ReplicaSet,
    readonly redis: Redis,
    readonly mongo: MongoClient,
  ) {}

  static async start(options: BenchOptions): Promise<Bench> {
    const dir = await mkdtemp(join(tmpdir(), 'jobtrail-bench-'))
    const [replicaSet, redis] = await Promise.all([
      startReplicaSet({ dir: join(dir, 'mongo'), cacheGb: 1 }),
      startRedis({ dir: join(dir, 'redis'), appendonly: true }),
    ])
    const mongo = await MongoClient.connect(replicaSet.uri('bench_ceilings'), TRUTH)
    return new Bench(options, dir, replicaSet, redis, mongo)
  }

  /** The full load, or a tenth of it with --quick. */
  scaled(full: number): number {
    return this.options.quick ? Math.ceil(full / 10) : full
  }

  /** The process ID of the one mongod. */
  get mongodPid(): number {
    const [member] = this.replicaSet.members
    if (member?.process.pid === undefined) throw new Error('mongod does not run')
    return member.process.pid
  }

  /** Tells on stderr what goes on; the table alone is on stdout. */
  say(text: string): void {
    process.stderr.write(`  ${text}\n`)
  }

  /** A file of 113-byte lines, and how many. */
  async corpusFile(): Promise<{ path: string; lines: number }> {
    const lines = this.scaled(CORPUS_LINES)
    const write = async (): Promise<string> => {
      const path = join(this.dir, 'corpus.log')
      await writeCorpus(path, lines)
      return path
    }
    this.corpus ??= write()
    return { path: await this.corpus, lines }
  }

  /** Measured once, however many rows are about it. */
  ingestionRuns(): Promise<IngestionRun[]> {
    this.ingestion ??= measureIngestion(this)
    return this.ingestion
  }

  /** Measures as often as was asked for. */
  async repeat<T>(what: string, measure: (run: number) => Promise<T>): Promise<T[]> {
    const results: T[] = []
    for (let run = 1; run <= this.options.runs; run++) {
      this.say(`${what}, run ${run} of ${this.options.runs}`)
      const others = new OthersMeter()
      results.push(await measure(run))
      this.othersShares.push(others.share())
    }
    return results
  }

  /** Two servers behind the load balancer, and workers; with a database and a key prefix of its own. Ended and removed afterwards. */
  async withCluster<T>(options: ClusterOptions, use: (cluster: Cluster) => Promise<T>): Promise<T> {
    const id = randomBytes(5).toString('hex')
    const dir = await mkdtemp(join(this.dir, 'cluster-'))
    const database = `jobtrail_bench_${id}`
    const profiling = await this.profiling()
    const cluster = new Cluster(
      {
        dir,
        database,
        mongodbUri: this.replicaSet.uri(database),
        redisUrl: this.redis.url,
        keyPrefix: `jobtrail-bench-${id}`,
        replicaSet: undefined,
        redis: undefined,
      },
      { ...options, serverEnv: { JOBTRAIL_LOG_LEVEL: 'warn', ...profiling }, workerEnv: { JOBTRAIL_LOG_LEVEL: 'warn', ...profiling } },
    )
    try {
      await Promise.all(Array.from({ length: options.servers ?? 2 }, () => cluster.addServer()))
      cluster.balancer = await startBalancer({ dir: join(dir, 'balancer'), upstreams: cluster.servers.map(({ port }) => `127.0.0.1:${port}`) })
      for (let index = 0; index < (options.workers ?? 1); index++) await cluster.addWorker()
      await cluster.waitForWorkers()
      return await use(cluster)
    } catch (error) {
      process.stderr.write(`${cluster.tails()}\n`)
      throw error
    } finally {
      // A process that is killed, as `cluster.stop` does with servers, leaves no profile.
      if (this.options.profile) await Promise.all(cluster.servers.map((server) => server.stop(SERVERS_LEAVE_MS)))
      await cluster.stop()
      await this.mongo.db(database).dropDatabase()
    }
  }

  /** Ends MongoDB and Redis, and removes everything. */
  async stop(): Promise<void> {
    await this.mongo.close()
    await Promise.all([this.redis.stop(), this.replicaSet.stop({ fast: true })])
    await rm(this.dir, { recursive: true, force: true })
  }

  private async profiling(): Promise<Record<string, string>> {
    if (!this.options.profile) return {}
    await mkdir(PROFILES, { recursive: true })
    return { NODE_OPTIONS: `--import ${pathToFileURL(programPath('profiler')).href}`, BENCH_PROFILES: PROFILES }
  }
}
