const EVERY_MS = 5_000

/** One line of the log for many of the same kind, at most one in 5 s: what happens again and again on a busy server must not add to its load. */
export class SparseLog {
  private count = 0
  private loggedAt = -Infinity

  /** Calls `log` when a line is due, with how often it happened since the last one. */
  note(log: (times: number) => void): void {
    this.count++
    const now = performance.now()
    if (now - this.loggedAt < EVERY_MS) return
    log(this.count)
    this.count = 0
    this.loggedAt = now
  }
}
