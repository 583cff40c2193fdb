import { createInterface } from 'node:readline'
import { leaseClock } from '../lease.js'
import { type AttemptGroup, killKnown } from './kill-pass.js'
import { GuardMessage } from './protocol.js'
import { Reaper } from './reaper.js'

/**
 * The guard: a small process of its own, started by the worker and tied to it by its standard input. It kills what the worker's attempts run at once when the
 * worker dies (end of input, also after kill -9), or when the lease ran out and the worker could not act (frozen by SIGSTOP, starved). So no attempt
 * goes on beyond its lease, whatever becomes of the worker.
 */
const attempts = new Map<string, AttemptGroup>()
const reaper = new Reaper(undefined)
let deadline: number | undefined
let timer: NodeJS.Timeout | undefined

/** How long a guard whose worker is dead goes on with what does not die of SIGKILL. The next start of the worker takes it up. */
const LAST_BOUND_MS = 300_000

async function killAll(): Promise<void> {
  const all = [...attempts.values()]
  attempts.clear()
  for (const attempt of all) {
    try {
      killKnown(attempt)
    } catch {
      // No descriptor left, say: the reaper tries it again and again.
    }
  }
  await Promise.all(all.map((attempt) => reaper.end(attempt, LAST_BOUND_MS)))
}

function watchLease(): void {
  clearTimeout(timer)
  if (deadline === undefined) return
  const left = deadline - leaseClock()
  if (left <= 0) {
    void killAll()
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
      attempts.set(message.key, { key: message.key, group: undefined, start: undefined, cgroup: message.cgroup })
      return
    case 'started':
      attempts.set(message.key, { key: message.key, group: message.group, start: message.start, cgroup: message.cgroup })
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
process.on('uncaughtException', () => void killAll().finally(() => process.exit(1)))

createInterface({ input: process.stdin, crlfDelay: Infinity })
  .on('line', receive)
  .on('close', () => void killAll().finally(() => process.exit(0)))
