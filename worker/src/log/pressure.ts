import { monotonicMs } from '../clock.js'
import { MEMORY_BUDGET_BYTES } from './backlog-reader.js'
import type { Sender } from './sender.js'
import type { Spool } from './spool.js'
import type { StreamQueue } from './stream-queue.js'

/** What a stream's producer has to do: go on, wait, or lose what it writes. */
export type Verdict = 'go' | 'wait' | 'drop'

const ACKING_MS = 2_000
const MAX_UNACKED_BYTES = 8 * 1024 * 1024
const MIN_UNACKED_BYTES = 512 * 1024
const MAX_UNWRITTEN_BYTES = 2 * 1024 * 1024
/** A stream may fill the spool up to so many times what is left: one alone gets 8/9 of it, ten get 8/81 each, and there is always room for a quiet one. */
const SHARE = 8

/** Decides when a producer has to feel that its output is not getting away. Stops at a high mark, lets go at half of it. */
export class Pressure {
  private readonly spool: Spool
  private readonly sender: Sender
  private readonly countStreams: () => number

  constructor(spool: Spool, sender: Sender, countStreams: () => number) {
    this.spool = spool
    this.sender = sender
    this.countStreams = countStreams
  }

  judge(queue: StreamQueue | undefined, onPressure: 'block' | 'drop', current: Verdict): Verdict {
    // Nothing of it is kept any more.
    if (queue?.isGone === true) return 'go'
    const factor = current === 'go' ? 1 : 0.5
    // Of a damaged file nothing is sent before the attempt has ended: to wait for that would be to wait for ever.
    const isBroken = queue?.isBroken === true
    if (this.isSpoolFull(queue, current)) return onPressure === 'drop' || isBroken ? 'drop' : 'wait'
    if (queue === undefined || isBroken) return 'go'
    if (queue.unwrittenBytes > MAX_UNWRITTEN_BYTES * factor) return 'wait'
    // A job that would rather lose lines than wait is not slowed down by the server, only by the disk.
    return onPressure === 'block' && this.isAcking && queue.unackedBytes > this.maxUnacked * factor ? 'wait' : 'go'
  }

  /** A producer that does not wait when told to (a handler that prints in a loop) has used up what is left for it. */
  get isOverrun(): boolean {
    return this.spool.usedBytes > this.spool.limitBytes * 1.25
  }

  private isSpoolFull(queue: StreamQueue | undefined, current: Verdict): boolean {
    const { usedBytes, limitBytes } = this.spool
    // The server gets it from memory, if there is one; so little of it waits there.
    if (queue?.file.isFailing === true) return queue.unackedBytes > MIN_UNACKED_BYTES * (current === 'go' ? 1 : 0.5)
    const used = current === 'go' ? usedBytes : usedBytes + limitBytes / 16
    const unacked = queue?.unackedBytes ?? 0
    return used >= limitBytes || unacked >= SHARE * (limitBytes - used)
  }

  /** As long as the server acknowledges, as much of all streams is captured ahead as memory holds: nothing has to be read back. */
  private get maxUnacked(): number {
    return Math.min(MAX_UNACKED_BYTES, Math.max(MIN_UNACKED_BYTES, MEMORY_BUDGET_BYTES / Math.max(1, this.countStreams())))
  }

  private get isAcking(): boolean {
    return monotonicMs() - this.sender.lastAckAt < ACKING_MS
  }
}
