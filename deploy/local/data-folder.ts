import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { hasCode } from './errno.js'
import { type FileLock, LockHeldError, acquireLock, isAlive } from './lock.js'
import { DATA_DIR, displayPath } from './paths.js'
import { REDIS_PID_FILE } from './redis.js'
import { SetupError } from './setup-error.js'

export interface WorkerToken {
  id: string
  token: string
}

/** What has to be the same at the next start. */
export interface Secrets {
  adminPassword: string
  /** Seals jobs' secrets in MongoDB; as JOBTRAIL_SECRET_KEYS has it. */
  secretKeys: string
  workerToken?: WorkerToken
}

/** Of a folder that was named, since we remove old logs in it and take it from all others: an empty one, or one of ours. */
async function refuseOthersFolder(dir: string): Promise<void> {
  const names = await readdir(dir)
  if (names.length === 0 || names.includes('secrets.json') || names.includes('lock')) return
  throw new SetupError(`${displayPath(dir)} holds other things: name a new or an empty folder with --data-dir`)
}

/** Where one `npm start` keeps its things; nobody else uses the folder while it is open. */
export class DataFolder {
  private constructor(
    readonly dir: string,
    private readonly ephemeral: boolean,
    private readonly lock: FileLock,
  ) {}

  /** Takes the folder for us alone, or says who has it. */
  static async open({ ephemeral, dataDir }: { ephemeral: boolean; dataDir: string | undefined }): Promise<DataFolder> {
    const dir = ephemeral ? await mkdtemp(join(tmpdir(), 'jobtrail-')) : resolve(dataDir ?? DATA_DIR)
    await mkdir(dir, { recursive: true })
    if (dataDir !== undefined) await refuseOthersFolder(dir)
    await chmod(dir, 0o700)
    let lock: FileLock
    try {
      lock = await acquireLock(join(dir, 'lock'))
    } catch (error) {
      if (!(error instanceof LockHeldError)) throw error
      throw new SetupError(
        `another Jobtrail (process ${error.pid}) uses ${displayPath(dir)}: end it first, or start with another --data-dir (or --ephemeral) and --port`,
        {
          cause: error,
        },
      )
    }
    const folder = new DataFolder(dir, ephemeral, lock)
    try {
      await folder.refuseForeign('mongod', 'mongo', 'member-0', 'mongod.lock')
      await folder.refuseForeign('redis-server', 'redis', REDIS_PID_FILE)
      await rm(folder.path('logs'), { recursive: true, force: true })
    } catch (error) {
      await folder.close()
      throw error
    }
    return folder
  }

  /** A path inside the folder. */
  path(...parts: string[]): string {
    return join(this.dir, ...parts)
  }

  /** What was kept; at the first start the given password or a generated one, kept at once: the servers may have taken it before anything else fails. */
  async secrets(givenPassword: string | undefined): Promise<Secrets> {
    const known = await this.readSecrets()
    if (known?.secretKeys !== undefined) return { ...known, secretKeys: known.secretKeys }
    const secretKeys = `local:${randomBytes(32).toString('base64')}`
    // Of a version that sealed nothing there is a file without a key.
    const secrets = { adminPassword: givenPassword ?? randomBytes(12).toString('base64url'), ...known, secretKeys }
    await this.writeSecrets(secrets)
    return secrets
  }

  /** Replaces the file in one step; only its owner may read it. */
  async writeSecrets(secrets: Secrets): Promise<void> {
    const draft = this.path('secrets.json.draft')
    await writeFile(draft, `${JSON.stringify(secrets, undefined, 2)}\n`, { mode: 0o600 })
    await rename(draft, this.path('secrets.json'))
  }

  /** Gives the folder back; an ephemeral one is removed. */
  async close(): Promise<void> {
    if (this.ephemeral) await rm(this.dir, { recursive: true, force: true })
    this.lock.release()
  }

  private async readSecrets(): Promise<(Omit<Secrets, 'secretKeys'> & { secretKeys?: string }) | undefined> {
    const text = await readFile(this.path('secrets.json'), 'utf8').catch((error: unknown) => {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    })
    return text === undefined ? undefined : (JSON.parse(text) as Omit<Secrets, 'secretKeys'> & { secretKeys?: string })
  }

  /** mongod and our Redis write their process id into their folder: one may be left of a start that was killed, or have been started there by hand. */
  private async refuseForeign(program: string, folder: string, ...pidFile: string[]): Promise<void> {
    const text = await readFile(this.path(folder, ...pidFile), 'utf8').catch(() => '')
    const pid = Number(text.trim())
    if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return
    const command = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => program)
    // The id may belong to something else by now, after a restart of the machine.
    if (!command.startsWith(program)) return
    throw new SetupError(`a ${program} (process ${pid}) runs in ${displayPath(this.path(folder))}: end it first`)
  }
}
