import { CHUNK_MAX_AGE_MS, CHUNK_MIN_AGE_MS } from '@jobtrail/protocol/log/chunk'
import { monotonicMs } from '../clock.js'

/** Something with an open chunk that has to be closed by a time. */
export interface Flushable {
  flush(): void
}

/** One timer for the open chunks of all streams. */
export class FlushClock {
  private readonly due = new Map<Flushable, number>()
  private timer: NodeJS.Timeout | undefined
  private timerAt = Infinity

  /** How long the next chunk may stay open: the fewer streams write at a time, the shorter. So a worker closes by age at most 50 chunks a second, or 10 for each stream. */
  get chunkAgeMs(): number {
    return Math.min(CHUNK_MAX_AGE_MS, CHUNK_MIN_AGE_MS * (this.due.size + 1))
  }

  /** `dueAt` on the monotonic clock: a wall clock that is set back must not keep a chunk open. */
  set(item: Flushable, dueAt: number): void {
    this.due.set(item, dueAt)
    if (dueAt < this.timerAt) this.arm(dueAt)
  }

  delete(item: Flushable): void {
    this.due.delete(item)
  }

  /** Flushes everything now and stops. */
  close(): void {
    clearTimeout(this.timer)
    for (const item of [...this.due.keys()]) item.flush()
    this.due.clear()
    clearTimeout(this.timer)
    this.timerAt = Infinity
  }

  private arm(at: number): void {
    clearTimeout(this.timer)
    this.timerAt = at
    this.timer = setTimeout(() => this.tick(), Math.max(0, at - monotonicMs()))
  }

  private tick(): void {
    this.timerAt = Infinity
    const now = monotonicMs()
    let next = Infinity
    for (const [item, dueAt] of this.due) {
      if (dueAt <= now) {
        this.due.delete(item)
        item.flush()
      } else next = Math.min(next, dueAt)
    }
    // A flush may have armed the timer for a chunk that it began.
    if (next < this.timerAt) this.arm(next)
  }
}
