// Gets another version of Node, to run the tests under it.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { arch, platform } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const CACHE = resolve(fileURLToPath(import.meta.url), '../../../.jobtrail/cache')

/**
 * The program of a version such as 20.19, kept in the cache. npm has it as a package for each system.
 * @param {string} version
 */
export function fetchNode(version) {
  const name = `node-${platform()}-${arch()}`
  const dir = join(CACHE, `node-${version}`)
  const program = join(dir, 'node_modules', name, 'bin/node')
  if (existsSync(program)) return program
  const { status, stderr, error } = spawnSync('npm', ['install', '--prefix', dir, '--no-save', '--no-audit', '--no-fund', `${name}@${version}`], {
    encoding: 'utf8',
  })
  if (status !== 0 || !existsSync(program)) throw new Error(`Node ${version} cannot be fetched: ${error?.message ?? stderr}`)
  return program
}
