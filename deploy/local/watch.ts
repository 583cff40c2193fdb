import { type FSWatcher, existsSync, watch } from 'node:fs'
import { join } from 'node:path'
import { REPO_ROOT } from './paths.js'
import { ManagedProcess } from './process.js'
import { say } from './say.js'
import type { Stack } from './stack.js'

const SETTLE_MS = 700

/** Builds on every change and restarts what runs the changed code; stays up through broken builds. */
export function watchSources(stack: Stack): { stop: () => void } {
  const compiler = new ManagedProcess({
    name: 'tsc',
    command: process.execPath,
    args: [join(REPO_ROOT, 'node_modules/typescript/bin/tsc'), '-b', '--watch', '--preserveWatchOutput', 'shared', 'server', 'worker'],
    cwd: REPO_ROOT,
    logFile: join(REPO_ROOT, '.jobtrail/tsc.log'),
  })
  compiler.start()
  say(`building on change; the compiler writes to ${compiler.logFile}`)

  let timer: NodeJS.Timeout | undefined
  let busy: Promise<void> = Promise.resolve()
  const changed = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      busy = busy.then(() => restartAll(stack))
    }, SETTLE_MS)
  }
  const watchers: FSWatcher[] = ['shared/dist', 'server/dist', 'worker/dist']
    .map((folder) => join(REPO_ROOT, folder))
    .filter((folder) => existsSync(folder))
    .map((folder) =>
      watch(folder, { recursive: true }, (_event, file) => {
        if (file?.endsWith('.js') === true) changed()
      }),
    )
  return {
    stop: () => {
      clearTimeout(timer)
      for (const watcher of watchers) watcher.close()
      compiler.signalGroup('SIGKILL')
    },
  }
}

/** The supervisor starts them again: a restart is an end. */
async function restartAll(stack: Stack): Promise<void> {
  say('built, restarting servers and workers')
  for (const child of [...stack.servers, ...stack.workers]) await child.stop(12_000)
}
