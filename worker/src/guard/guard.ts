import { createInterface } from 'node:readline'
import { leaseClock } from '../lease.js'
import { type AttemptGroup, killAttempts } from './processes.js'
import { GuardMessage } from './protocol.js'

/**
 * The guard: a small process of its own, started by the worker and tied to it by its standard input. It kills the worker's process groups at once when the
 * worker dies (end of input, also after kill -9), or when the lease ran out and the worker could not act (frozen by SIGSTOP, starved). So no attempt
 * goes on beyond its lease, whatever becomes of the worker.
 */
const attempts = new Map<string, AttemptGroup>()
let deadline: number | undefined
let timer: NodeJS.Timeout | undefined

function killAll(isOwned: boolean): void {
  const all = [...attempts.values()]
  attempts.clear()
  killAttempts(all, isOwned)
}

function watchLease(): void {
  clearTimeout(timer)
  if (deadline === undefined) return
  const left = deadline - leaseClock()
  if (left <= 0) {
    // The worker has not reaped these (its exit handlers say `gone`), so the ids are still theirs.
    killAll(true)
    deadline = undefined
    return
  }
  // Looked at often, because a suspended machine's timers do not count the time it slept.
  timer = setTimeout(watchLease, Math.min(left, 1_000))
}

function receive(line: string): void {
  const message = GuardMessage.parse(JSON.parse(line))
  switch (message.kind) {
    case 'starting':
      attempts.set(message.key, { key: message.key, group: undefined, start: undefined })
      return
    case 'started':
      attempts.set(message.key, { key: message.key, group: message.group, start: message.start })
      return
    case 'gone':
      attempts.delete(message.key)
      return
    case 'lease':
      deadline = message.deadline
      watchLease()
  }
}

// A Ctrl-C or a service manager's SIGTERM also reaches the worker, which may drain: the guard goes only when the worker is gone.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
// Nothing may end the guard before it has killed: a broken line is as good as a dead worker.
process.on('uncaughtException', () => {
  killAll(false)
  process.exit(1)
})

createInterface({ input: process.stdin, crlfDelay: Infinity })
  .on('line', receive)
  .on('close', () => {
    // Orphans have been reparented; a group whose leader was reaped meanwhile is found by the marker.
    killAll(false)
    process.exit(0)
  })
