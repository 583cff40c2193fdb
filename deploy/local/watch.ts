import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from './command.js'
import { BUNDLER, REPO_ROOT } from './paths.js'
import { ManagedProcess } from './process.js'
import { say } from './say.js'
import type { Stack } from './stack.js'

const POLL_MS = 700
const BUNDLE_TIMEOUT_MS = 60_000

/** Builds on every change and restarts what runs the changed code; stays up through broken builds. */
export function watchSources(stack: Stack): { stop: () => void } {
  const compiler = new ManagedProcess({
    name: 'tsc',
    command: process.execPath,
    args: [join(REPO_ROOT, 'node_modules/typescript/bin/tsc'), '-b', '--watch', '--preserveWatchOutput', 'server', 'worker'],
    cwd: REPO_ROOT,
    logFile: join(REPO_ROOT, '.jobtrail/tsc.log'),
  })
  compiler.start()
  say(`building on change; the compiler writes to ${compiler.logFile}`)

  let seen = newestBuild()
  let restarted = seen
  let busy = false
  // Polled, because watching folders misses files that are replaced rather than written to.
  const timer = setInterval(() => {
    const newest = newestBuild()
    const settled = newest === seen
    seen = newest
    if (!settled || busy || newest === restarted) return
    restarted = newest
    busy = true
    restartAll(stack)
      .catch((error: unknown) => say(`restarting failed: ${String(error)}`))
      .finally(() => {
        busy = false
      })
  }, POLL_MS)
  return {
    stop: () => {
      clearInterval(timer)
      compiler.signalGroup('SIGKILL')
    },
  }
}

/** When a compiled file was last written, in milliseconds. */
function newestBuild(): number {
  let newest = 0
  for (const folder of ['protocol/dist', 'api/dist', 'process/dist', 'server/dist', 'worker/dist']) {
    for (const file of readdirSync(join(REPO_ROOT, folder), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.js') || file.startsWith('bundle/')) continue
      // The compiler may be replacing the file right now.
      const stat = statSync(join(REPO_ROOT, folder, file), { throwIfNoEntry: false })
      newest = Math.max(newest, stat?.mtimeMs ?? 0)
    }
  }
  return newest
}

/** The supervisor starts them again: a restart is an end. */
async function restartAll(stack: Stack): Promise<void> {
  await runCommand(process.execPath, [BUNDLER], { timeoutMs: BUNDLE_TIMEOUT_MS })
  say('built, restarting servers and workers')
  for (const child of [...stack.servers, ...stack.workers]) await child.stop(12_000)
}
