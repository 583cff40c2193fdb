import { spawn } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withLock } from './lock.js'
import { say } from './say.js'

/** The official release that is downloaded where the network allows it. */
export const MONGOD_VERSION = '8.2.6'

const FETCHER = fileURLToPath(new URL('./mongod-fetcher.js', import.meta.url))
/** A download of which nothing arrives for so long is given up. */
const SILENT_MS = 20_000
const DOWNLOAD_TIMEOUT_MS = 10 * 60_000
const LOOK_MS = 500

/** The folder in the cache for downloaded releases; one a version, so that a new pin never finds the old program. */
const folderIn = (cacheDir: string): string => join(cacheDir, `mongod-${MONGOD_VERSION}`)

/** The program that was downloaded before, if there is one. */
export function downloadedMongod(cacheDir: string): string | undefined {
  const folder = folderIn(cacheDir)
  if (!existsSync(folder)) return undefined
  // The checksum file is written last: without it the program may be half there.
  const name = readdirSync(folder).find((each) => existsSync(join(folder, `${each}.md5`)))
  return name === undefined ? undefined : join(folder, name)
}

/** Options of {@link downloadMongod}; left out: our own environment, {@link SILENT_MS}. */
export type DownloadOptions = { env?: NodeJS.ProcessEnv; silentMs?: number }

/** The path of an official mongod, downloaded into the cache; undefined where the network does not allow it, which is said. */
export async function downloadMongod(cacheDir: string, { env = process.env, silentMs = SILENT_MS }: DownloadOptions = {}): Promise<string | undefined> {
  const folder = folderIn(cacheDir)
  await mkdir(folder, { recursive: true })
  return withLock(`${folder}.lock`, DOWNLOAD_TIMEOUT_MS, async () => {
    const before = downloadedMongod(cacheDir)
    if (before !== undefined) return before
    say(`downloading MongoDB ${MONGOD_VERSION} (once)`)
    const problem = await runFetcher(folder, env, silentMs)
    if (problem === undefined) return downloadedMongod(cacheDir)
    say(`MongoDB ${MONGOD_VERSION} cannot be downloaded here (${problem})`)
    // Not even a file that failed its check may be found the next time.
    await rm(folder, { recursive: true, force: true })
    return undefined
  })
}

/** Resolves with what went wrong, in a few words, or undefined. */
function runFetcher(folder: string, env: NodeJS.ProcessEnv, silentMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [FETCHER, folder], {
      // It accepts any certificate unless npm is told to be strict; by "retries" it means tries.
      env: { ...env, npm_config_strict_ssl: 'true', MONGOMS_MAX_RETRIES: '1', MONGOMS_PREFER_GLOBAL_PATH: 'false' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let errors = ''
    child.stderr.on('data', (data: Buffer) => {
      errors = `${errors}${data.toString()}`.slice(-4_000)
    })
    const began = performance.now()
    let size = 0
    let grewAt = began
    const looking = setInterval(() => {
      const now = performance.now()
      const sizeNow = sizeOf(folder)
      if (sizeNow !== size) grewAt = now
      size = sizeNow
      if (now - grewAt > silentMs || now - began > DOWNLOAD_TIMEOUT_MS) child.kill('SIGKILL')
    }, LOOK_MS)
    const end = (problem: string | undefined): void => {
      clearInterval(looking)
      resolve(problem)
    }
    child.once('error', (error) => end(error.message))
    child.once('close', (code) => {
      if (code === 0) return end(undefined)
      const reason = /^\w*Error: (?:Download failed for url .*, Details:\n)?(.*)$/m.exec(errors)?.[1]
      end(code === null ? 'nothing arrives' : (reason ?? `exit code ${code}`).slice(0, 200))
    })
  })
}

function sizeOf(folder: string): number {
  let sum = 0
  for (const name of readdirSync(folder)) sum += statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0
  return sum
}
