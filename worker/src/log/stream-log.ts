import type { Readable } from 'node:stream'
import type { StreamTotals } from '@jobtrail/protocol/log/chunk'

export type Side = 'stdout' | 'stderr'

/** The log of one running attempt, as whoever runs it sees it. */
export interface StreamLog {
  /** Reads a child's pipe to its end, with pressure (pauses the readable). Call for stdout and stderr. */
  capture(readable: Readable, side: Side): void
  /** For handlers: synchronous bytes, split into lines; returns false when the producer should wait for `writable()` (pressure). The bytes are copied or done with on return. */
  write(side: Side, bytes: Buffer): boolean
  /** Resolves when there is room again; at once when there is. */
  writable(): Promise<void>
  /** What still holds the output now is ended, or goes on unseen: what it would have written is missing, and the log says so. */
  cutOff(text: string): void
  /**
   * No more output: resolves once captured pipes ended (or were destroyed) and all is chunked and appended to the spool, with the totals that go into
   * `finished` and `seal`. A pipe still held open by grandchildren is read until `graceMs` after, then destroyed. Calling it again gives the same promise.
   */
  end(graceMs: number): Promise<StreamTotals>
}
