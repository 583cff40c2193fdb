import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common'
import {
  type ClientSession,
  type Collection,
  type Db,
  type Document,
  MongoBulkWriteError,
  MongoClient,
  type MongoClientOptions,
  MongoServerError,
} from 'mongodb'
import { CONFIG, type Config } from '../config/config.js'
import { isItemError } from './item-error.js'
import { Logger } from './logging.js'
import { Reads } from './reads.js'
import { withTimeout } from './timeout.js'

/** What was acknowledged is kept: every write follows a majority, journaled; every read sees only what a majority has, from the primary. */
const TRUTH = { writeConcern: { w: 'majority', journal: true, wtimeoutMS: 10_000 }, readConcern: { level: 'majority' }, readPreference: 'primary' } as const

const DEFAULT_DATABASE = 'jobtrail'

/** The database that the path of a MongoDB URI names. The driver's own answer is `test` also when none is named. */
export function databaseOf(uri: string): string {
  const path = /^[^/]*\/\/[^/?]*\/([^?]*)/.exec(uri)?.[1] ?? ''
  return path === '' ? DEFAULT_DATABASE : decodeURIComponent(path)
}

/** Time-outs of any connection. */
const WAITS = {
  serverSelectionTimeoutMS: 10_000,
  connectTimeoutMS: 5_000,
  // An answer that does not come must not hold a worker's acknowledgement for ever; a failed write is sent again by its owner.
  // (The driver's own timeoutMS has no effect in 7.8.)
  socketTimeoutMS: 20_000,
  waitQueueTimeoutMS: 10_000,
} as const satisfies MongoClientOptions

/** For what people look at, on each server. */
export const READ_CONNECTIONS = 24

/**
 * The MongoDB connections. Repositories take their collections from it: {@link collection} for whatever runs depend on, {@link reads} for what people look at, which
 * has connections of its own, so that however much is looked at, leases, dispatch and logs that arrive never wait for a connection because of it.
 */
@Injectable()
export class Mongo implements OnModuleInit, OnApplicationShutdown {
  readonly client: MongoClient
  readonly db: Db
  private readonly readClient: MongoClient
  private readonly readDb: Db

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly logger: Logger,
  ) {
    this.client = new MongoClient(config.mongodbUri, {
      ...TRUTH,
      ...WAITS,
      appName: config.serverId,
      maxPoolSize: 40,
      ignoreUndefined: true,
    })
    this.db = this.client.db(databaseOf(config.mongodbUri))
    this.readClient = new MongoClient(config.mongodbUri, {
      ...TRUTH,
      ...WAITS,
      appName: `${config.serverId} reads`,
      maxPoolSize: READ_CONNECTIONS,
      ignoreUndefined: true,
    })
    this.readDb = this.readClient.db(this.db.databaseName)
  }

  async onModuleInit(): Promise<void> {
    await Promise.all([this.client.connect(), this.readClient.connect()])
    await this.warnOfFormerDatabase()
  }

  /** Former versions took a database named `test` for the driver's default, and stored all in `jobtrail`. */
  private async warnOfFormerDatabase(): Promise<void> {
    if (this.db.databaseName !== 'test') return
    const hasJobs = (name: string): Promise<boolean> => this.client.db(name).listCollections({ name: 'jobs' }).hasNext()
    if (!(await hasJobs('test')) && (await hasJobs(DEFAULT_DATABASE)))
      this.logger.warn(
        `MONGODB_URI names the database test, which is empty; earlier versions stored its data in ${DEFAULT_DATABASE}: write /${DEFAULT_DATABASE} to go on with that`,
      )
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([this.client.close(), this.readClient.close()])
  }

  collection<T extends Document>(name: string): Collection<T> {
    return this.db.collection<T>(name)
  }

  /** For what people look at: has deadlines, and can't write. */
  reads<T extends Document>(name: string): Reads<T> {
    return new Reads<T>(this.readDb, name)
  }

  /** All or nothing, for changes that span collections. `work` may run again after a transient error. */
  transaction<T>(work: (session: ClientSession) => Promise<T>): Promise<T> {
    return this.client.withSession((session) =>
      session.withTransaction(() => work(session), { writeConcern: TRUTH.writeConcern, readConcern: { level: 'snapshot' } }),
    )
  }

  /** Rejects when the primary does not answer. */
  async ping(): Promise<void> {
    await withTimeout(this.db.command({ ping: 1 }), 2_000, 'MongoDB does not answer')
  }
}

export const isDuplicateKey = (error: unknown): boolean => error instanceof MongoServerError && error.code === 11_000

/** Of the documents of an unordered insertMany that failed for some of them, those that were stored. Only those are certain. */
export function storedBeside<T>(error: unknown, documents: readonly T[]): T[] {
  if (!(error instanceof MongoBulkWriteError) || !isItemError(error)) return []
  const refused = new Set([error.writeErrors].flat().map(({ index }) => index))
  return documents.filter((_, i) => !refused.has(i))
}

/**
 * Indexes of the documents that an unordered insertMany refused as duplicates. Rethrows everything else: a network, step-down or write-concern error arrives as
 * a MongoBulkWriteError without writeErrors, and is a failure of the whole batch, not a success. With `ownIds` the IDs are new ones that nobody else has: a document
 * that is refused for its `_id` was inserted by this call, the first time that it tried.
 */
export function duplicatesOf(error: unknown, { ownIds } = { ownIds: false }): Set<number> {
  if (!(error instanceof MongoBulkWriteError)) throw error
  const writeErrors = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors]
  if (writeErrors.length === 0 || error.result.getWriteConcernError() !== undefined) throw error
  const other = writeErrors.find((each) => each.code !== 11_000)
  if (other !== undefined) throw error
  const taken = ownIds ? writeErrors.filter(({ errmsg }) => errmsg?.includes('index: _id_ ') !== true) : writeErrors
  return new Set(taken.map((each) => each.index))
}
