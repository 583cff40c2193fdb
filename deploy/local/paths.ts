import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository; this file is compiled to `deploy/dist`. */
export const REPO_ROOT = resolve(fileURLToPath(import.meta.url), '../../..')

/** Programs that were fetched, kept between starts and shared by all test processes. */
export const CACHE_DIR = join(REPO_ROOT, '.jobtrail/cache')

/** What `npm start` keeps between starts. */
export const DATA_DIR = join(REPO_ROOT, '.jobtrail/data')

/** The bundled entry points of the two programs, and what makes them of what was compiled. */
export const SERVER_MAIN = join(REPO_ROOT, 'server/dist/bundle/main.js')
export const WORKER_MAIN = join(REPO_ROOT, 'worker/dist/bundle/main.js')
export const BUNDLER = join(REPO_ROOT, 'deploy/bundle.mjs')

/** Where a built console lies, if there is one. */
export const CONSOLE_DIST = join(REPO_ROOT, 'console/dist')

/** A path as the user would type it. */
export function displayPath(path: string): string {
  if (path.startsWith(`${REPO_ROOT}/`)) return path.slice(REPO_ROOT.length + 1)
  const home = homedir()
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path
}
