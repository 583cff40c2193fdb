import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository; this file is compiled to `deploy/dist`. */
export const REPO_ROOT = resolve(fileURLToPath(import.meta.url), '../../..')

/** Programs that were fetched, kept between starts and shared by all test processes. */
export const CACHE_DIR = join(REPO_ROOT, '.jobtrail/cache')

/** What `npm start` keeps between starts. */
export const DATA_DIR = join(REPO_ROOT, '.jobtrail/data')

/** The compiled entry points of the two programs. */
export const SERVER_MAIN = join(REPO_ROOT, 'server/dist/main.js')
export const WORKER_MAIN = join(REPO_ROOT, 'worker/dist/main.js')

/** Where a built console lies, if there is one. */
export const CONSOLE_DIST = join(REPO_ROOT, 'console/dist')

/** A path as the user would type it. */
export function displayPath(path: string): string {
  if (path.startsWith(`${REPO_ROOT}/`)) return path.slice(REPO_ROOT.length + 1)
  const home = homedir()
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path
}
