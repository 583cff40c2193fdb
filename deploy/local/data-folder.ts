import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasCode } from './errno.js'
import { type FileLock, LockHeldError, acquireLock, isAlive } from './lock.js'
import { DATA_DIR, displayPath } from './paths.js'
import { SetupError } from './setup-error.js'

/** What has to be the same at the next start. */
export interface Secrets {
  adminPassword: string
  workerToken?: { id: string; token: string }
}

/** Where one `npm start` keeps its things; nobody else uses the folder while it is open. */
export class DataFolder {
  private constructor(
    readonly dir: string,
    private readonly ephemeral: boolean,
    private readonly lock: FileLock,
  ) {}

  /** Takes the folder for us alone, or says who has it. */
  static async open(ephemeral: boolean): Promise<DataFolder> {
    const dir = ephemeral ? await mkdtemp(join(tmpdir(), 'jobtrail-')) : DATA_DIR
    await mkdir(dir, { recursive: true })
    await chmod(dir, 0o700)
    let lock: FileLock
    try {
      lock = await acquireLock(join(dir, 'lock'))
    } catch (error) {
      if (!(error instanceof LockHeldError)) throw error
      throw new SetupError(`another Jobtrail (process ${error.pid}) uses ${displayPath(dir)}: end it first, or start with --ephemeral and another --port`, {
        cause: error,
      })
    }
    const folder = new DataFolder(dir, ephemeral, lock)
    try {
      await folder.refuseForeignMongod()
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

  /** The admin's password, given or generated, is kept so that the next start shows the same sign-in. */
  async secrets(givenPassword: string | undefined): Promise<Secrets> {
    const known = await this.readSecrets()
    const adminPassword = givenPassword ?? known?.adminPassword ?? randomBytes(12).toString('base64url')
    const secrets = { ...known, adminPassword }
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

  private async readSecrets(): Promise<Secrets | undefined> {
    const text = await readFile(this.path('secrets.json'), 'utf8').catch((error: unknown) => {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    })
    return text === undefined ? undefined : (JSON.parse(text) as Secrets)
  }

  /** mongod writes its process id into its folder: someone may have started one there by hand. */
  private async refuseForeignMongod(): Promise<void> {
    const file = this.path('mongo', 'member-0', 'mongod.lock')
    const text = await readFile(file, 'utf8').catch(() => '')
    const pid = Number(text.trim())
    if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return
    const command = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'mongod')
    // The id may belong to something else by now, after a restart of the machine.
    if (!command.startsWith('mongod')) return
    throw new SetupError(`a mongod (process ${pid}) runs in ${displayPath(this.path('mongo'))}: end it first`)
  }
}
