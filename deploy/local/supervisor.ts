import type { ManagedProcess } from './process.js'
import { say } from './say.js'

const RESTART_AFTER_MS = 1_000
const FAST_FAILURES_ALLOWED = 5
const FAST_MS = 15_000

/**
 * Starts again whatever ends by itself, as a production set-up would: whoever kills a server to see
 * what happens should see it come back. Gives up on a process that keeps ending right away.
 */
export class Supervisor {
  private stopping = false
  private readonly timers = new Set<NodeJS.Timeout>()

  constructor(private readonly giveUp: (reason: string) => void) {}

  /** Watches a process that runs now. */
  watch(child: ManagedProcess): void {
    this.follow(child, 0)
  }

  /** Restarts nothing any more. */
  stop(): void {
    this.stopping = true
    for (const timer of this.timers) clearTimeout(timer)
  }

  private follow(child: ManagedProcess, failures: number): void {
    const startedAt = performance.now()
    void child.exited().then(({ code, signal }) => {
      if (this.stopping || child.isRunning) return
      // An end in good order was asked for by someone (or by --watch) and is no failure.
      const fast = code !== 0 && performance.now() - startedAt < FAST_MS ? failures + 1 : 0
      const how = signal ?? `exit code ${code}`
      if (fast >= FAST_FAILURES_ALLOWED) {
        this.giveUp(`${child.name} keeps ending (${how}); the end of its log:\n${child.tail(30)}`)
        return
      }
      say(`${child.name} ended (${how}), starting it again`)
      const timer = setTimeout(() => {
        this.timers.delete(timer)
        if (this.stopping || child.isRunning) return
        child.start()
        this.follow(child, fast)
      }, RESTART_AFTER_MS)
      this.timers.add(timer)
    })
  }
}
