import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Document, MongoClient } from 'mongodb'
import { findMongod } from './mongod-program.js'
import { freePort } from './ports.js'
import { ManagedProcess, type ProcessExit } from './process.js'
import { waitFor } from './wait.js'

/** How a replica set is to be made. */
export interface ReplicaSetOptions {
  /** Holds a folder and a log file for each member; kept between starts unless the caller removes it. */
  dir: string
  /** How many members; 1 when left out. */
  members?: number
  /** A port for each member; free ones when left out. */
  ports?: readonly number[]
  /** How fast a lost primary is replaced. MongoDB's own default is 10 s; tests want it shorter. */
  electionTimeoutMs?: number
  /** WiredTiger's cache for each member. */
  cacheGb?: number
  /** More arguments for mongod. */
  args?: readonly string[]
  startTimeoutMs?: number
}

const SET_NAME = 'jobtrail'

/** One mongod. */
export interface Member {
  readonly index: number
  readonly port: number
  readonly process: ManagedProcess
}

async function onMember<T>(port: number, work: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, {
    serverSelectionTimeoutMS: 2_000,
    connectTimeoutMS: 2_000,
    socketTimeoutMS: 10_000,
  })
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

function adminCommand(port: number, command: Document): Promise<Document> {
  return onMember(port, (client) => client.db('admin').command(command))
}

function hasCodeName(error: unknown, name: string): boolean {
  return typeof error === 'object' && error !== null && 'codeName' in error && error.codeName === name
}

/** A running replica set of local mongods that can be hurt and healed. */
export class ReplicaSet {
  constructor(
    readonly members: readonly Member[],
    private readonly startTimeoutMs: number,
  ) {}

  /** The address of a database, with every member in it. */
  uri(database: string): string {
    const hosts = this.members.map((member) => `127.0.0.1:${member.port}`).join(',')
    return `mongodb://${hosts}/${database}?replicaSet=${SET_NAME}`
  }

  /** The member that is primary now; waits for an election to end. */
  primary(timeoutMs = 30_000): Promise<Member> {
    return waitFor(
      async () => {
        for (const member of this.members) {
          if (!member.process.isRunning) continue
          const hello = await adminCommand(member.port, { hello: 1 }).catch(() => undefined)
          if (hello?.['isWritablePrimary'] === true) return member
        }
        return undefined
      },
      { timeoutMs, what: 'a primary of the replica set' },
    )
  }

  /** Kills one member (SIGKILL unless told) and waits until its process is gone. */
  kill(index: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<ProcessExit> {
    return this.member(index).process.kill(signal)
  }

  /** Starts a member that was killed and waits until it is primary or secondary again. */
  async restart(index: number): Promise<void> {
    const member = this.member(index)
    member.process.start()
    await this.waitUntilUp(member)
  }

  /** Ends all members. With `fast`, by SIGKILL: for data that nobody needs any more. */
  async stop({ fast = false }: { fast?: boolean } = {}): Promise<void> {
    await Promise.all(
      this.members.map(async ({ process }) => {
        if (!process.isRunning) return
        await (fast ? process.kill('SIGKILL') : process.stop(30_000))
      }),
    )
  }

  private member(index: number): Member {
    const member = this.members[index]
    if (member === undefined) throw new RangeError(`the replica set has no member ${index}`)
    return member
  }

  /** Waits until the member takes part: it answers, and is primary or secondary. */
  async waitUntilUp(member: Member): Promise<void> {
    await member.process.waitUntil(
      async () => {
        const hello = await adminCommand(member.port, { hello: 1 }).catch(() => undefined)
        return hello?.['isWritablePrimary'] === true || hello?.['secondary'] === true
      },
      { timeoutMs: this.startTimeoutMs, what: `mongod on port ${member.port} took part in the replica set` },
    )
  }
}

function configOf(members: readonly Member[], electionTimeoutMs: number): Document {
  return {
    _id: SET_NAME,
    members: members.map(({ index, port }) => ({ _id: index, host: `127.0.0.1:${port}` })),
    settings: {
      electionTimeoutMillis: electionTimeoutMs,
      // Lost members are noticed by missing heartbeats: they have to be more frequent than that.
      heartbeatIntervalMillis: Math.min(2_000, Math.max(200, Math.floor(electionTimeoutMs / 4))),
    },
  }
}

/** Makes the set on its first start; on a later one puts in the ports that it has this time. */
async function initiate(members: readonly Member[], electionTimeoutMs: number): Promise<void> {
  const first = members[0]
  if (first === undefined) throw new RangeError('a replica set needs a member')
  const wanted = configOf(members, electionTimeoutMs)
  try {
    await adminCommand(first.port, { replSetInitiate: wanted })
  } catch (error) {
    if (!hasCodeName(error, 'AlreadyInitialized')) throw error
    const reply = await adminCommand(first.port, { replSetGetConfig: 1 })
    const current = reply['config'] as { version: number; members: { host: string }[] }
    const hosts = current.members.map(({ host }) => host).join()
    if (hosts === members.map(({ port }) => `127.0.0.1:${port}`).join()) return
    // Forced, because a member that is not in its own configuration can elect nobody.
    await adminCommand(first.port, {
      replSetReconfig: { ...wanted, version: current.version + 1 },
      force: true,
    })
  }
}

/** Starts mongods as one replica set and returns when it has a primary and every member takes part. */
export async function startReplicaSet(options: ReplicaSetOptions): Promise<ReplicaSet> {
  const program = await findMongod(options.dir)
  const { dir, members: count = options.ports?.length ?? 1, cacheGb = 0.5, startTimeoutMs = 60_000 } = options
  const members: Member[] = []
  for (let index = 0; index < count; index++) {
    const port = options.ports?.[index] ?? (await freePort())
    const dbPath = join(dir, `member-${index}`)
    await mkdir(dbPath, { recursive: true })
    const args = [
      ...['--replSet', SET_NAME, '--dbpath', dbPath, '--port', String(port), '--bind_ip', '127.0.0.1'],
      ...['--wiredTigerCacheSizeGB', String(cacheGb), '--oplogSize', '512', '--nounixsocket', '--quiet'],
      ...['--setParameter', 'diagnosticDataCollectionEnabled=false'],
      ...(options.args ?? []),
    ]
    const logFile = join(dir, `member-${index}.log`)
    const process = new ManagedProcess({ name: `mongod ${index}`, command: program, args, logFile, deathSignal: 'SIGTERM' })
    members.push({ index, port, process })
  }
  const set = new ReplicaSet(members, startTimeoutMs)
  try {
    for (const { process } of members) process.start()
    for (const { process, port } of members) {
      await process.waitUntil(async () => (await adminCommand(port, { ping: 1 }))['ok'] === 1, {
        timeoutMs: startTimeoutMs,
        what: `mongod answered on port ${port}`,
      })
    }
    await initiate(members, options.electionTimeoutMs ?? 10_000)
    await set.primary(startTimeoutMs)
    for (const member of members) await set.waitUntilUp(member)
    return set
  } catch (error) {
    await set.stop({ fast: true })
    throw error
  }
}
