import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from '@jobtrail/deploy/command'
import { CACHE_DIR, REPO_ROOT } from '@jobtrail/deploy/paths'

/** The version before this one, of which servers and workers may be in a cluster while it is upgraded. */
export const FORMER_COMMIT = '39422a7'

/** The compiled programs of the former version, or why they cannot be had. */
export type FormerBuild = { serverMain: string; workerMain: string } | { missing: string }

const PACKAGES = ['shared', 'server', 'worker']
const INSTALL_TIMEOUT_MS = 300_000
const BUILD_TIMEOUT_MS = 300_000

/** Builds the former version from the history of this repository, once; the result is kept in the cache. */
export async function formerBuild(): Promise<FormerBuild> {
  const dir = join(CACHE_DIR, `former-${FORMER_COMMIT}-whole`)
  const found = { serverMain: join(dir, 'server/dist/main.js'), workerMain: join(dir, 'worker/dist/main.js') }
  if (existsSync(found.serverMain)) return found
  try {
    await runCommand('git', ['-C', REPO_ROOT, 'cat-file', '-e', `${FORMER_COMMIT}^{commit}`], { timeoutMs: 30_000 })
  } catch {
    return { missing: `the history of this clone does not hold commit ${FORMER_COMMIT}` }
  }
  const draft = `${dir}.${process.pid}`
  try {
    await build(draft)
    await rename(draft, dir)
    return found
  } catch (error) {
    return { missing: `commit ${FORMER_COMMIT} could not be built here: ${error instanceof Error ? error.message : String(error)}` }
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

async function build(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true })
  const archive = `${dir}.tar`
  try {
    await runCommand('git', ['-C', REPO_ROOT, 'archive', '-o', archive, FORMER_COMMIT], { timeoutMs: 60_000 })
    await runCommand('tar', ['-xf', archive, '-C', dir], { timeoutMs: 60_000 })
  } finally {
    await rm(archive, { force: true })
  }
  // Its libraries are those that it was made with: ours may be others by now.
  const npm = ['ci', '--prefix', dir, '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--include-workspace-root']
  await runCommand('npm', [...npm, ...PACKAGES.flatMap((name) => ['--workspace', name])], { timeoutMs: INSTALL_TIMEOUT_MS })
  const tsc = join(REPO_ROOT, 'node_modules/typescript/bin/tsc')
  await runCommand(process.execPath, [tsc, '-b', ...PACKAGES.map((name) => join(dir, name))], { timeoutMs: BUILD_TIMEOUT_MS })
}
