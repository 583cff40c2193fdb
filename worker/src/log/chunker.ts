import type { LogLimits } from '@jobtrail/protocol/wire/job'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { CHUNK_FIRST_LINE_MS, CHUNK_MAX_AGE_MS, hasNewline, LineFlag, type StreamTotals } from '@jobtrail/protocol/log/chunk'
import { addLoss, type LogLoss, type LossReason } from '@jobtrail/protocol/log/losses'
import { type Chunk, ChunkBuilder } from '@jobtrail/protocol/log/chunk-builder'
import { monotonicMs } from '../clock.js'
import type { FlushClock, Flushable } from './flush-clock.js'

export const counted = (lines: number, bytes: number): string =>
  `${lines.toLocaleString('en')} ${lines === 1 ? 'line' : 'lines'} (${bytes.toLocaleString('en')} bytes)`

/** Puts the lines of one stream into chunks and closes them by size or age; leaves out what a limit or a full spool excludes, with marker lines that say so. */
export class Chunker implements Flushable {
  private readonly builder: ChunkBuilder
  private readonly limits: LogLimits
  private readonly clock: FlushClock
  private readonly sink: (chunk: Chunk) => void
  private lastClosedAt = -Infinity
  private lines = 0
  private bytes = 0
  private isLimitReached = false
  private readonly beyondLimit = { lines: 0, bytes: 0 }
  private limitAt = 0
  private readonly dropped = { lines: 0, bytes: 0 }
  private losses: readonly LogLoss[] = []
  /** Set while the spool is full and the job prefers losing lines to waiting: lines are counted, not kept. */
  isDropping = false

  constructor(key: AttemptKey, limits: LogLimits, clock: FlushClock, sink: (chunk: Chunk) => void) {
    this.builder = new ChunkBuilder(key)
    this.limits = limits
    this.clock = clock
    this.sink = sink
  }

  /** The next line; `text` is kept by reference until its chunk is closed. */
  add(text: Buffer, flags: number, at: number): void {
    const size = text.length + (hasNewline(flags) ? 1 : 0)
    if (this.isLimitReached || this.isBeyondLimit(size)) {
      if (!this.isLimitReached) this.reachLimit(at)
      this.beyondLimit.lines++
      this.beyondLimit.bytes += size
      return
    }
    if (this.isDropping) {
      this.dropped.lines++
      this.dropped.bytes += size
      return
    }
    if (this.dropped.lines > 0) this.markDropped(at)
    this.lines++
    this.bytes += size
    this.put(text, flags, at)
  }

  /** Closes the open chunk, if there is one. */
  flush(): void {
    this.clock.delete(this)
    const chunk = this.builder.close()
    if (chunk === undefined) return
    this.lastClosedAt = monotonicMs()
    this.sink(chunk)
  }

  /** The stream is over: last markers, last chunk, sums. */
  end(at: number): StreamTotals {
    if (this.dropped.lines > 0) this.markDropped(at)
    if (this.isLimitReached) {
      this.losses = addLoss(this.losses, { reason: 'limit', at: this.limitAt, ...this.beyondLimit })
      this.mark(`[jobtrail] ${counted(this.beyondLimit.lines, this.beyondLimit.bytes)} left out by the log limit`, at)
    }
    this.flush()
    return { ...this.builder.closedTotals, losses: [...this.losses] }
  }

  /** Output is missing from here on, nobody knows how much: a marker line says so. */
  noteLoss(reason: LossReason, text: string, at: number): void {
    if (this.dropped.lines > 0) this.markDropped(at)
    this.losses = addLoss(this.losses, { reason, at: this.nextLine, lines: null, bytes: null })
    this.mark(`[jobtrail] ${text}`, at)
  }

  private get nextLine(): number {
    return this.builder.closedTotals.lines + this.builder.pendingLines
  }

  private put(text: Buffer, flags: number, at: number): void {
    const isFirst = this.builder.pendingLines === 0
    this.builder.add(text, flags, at)
    if (this.builder.isFull) this.flush()
    else if (isFirst) {
      const now = monotonicMs()
      this.clock.set(this, now + (now - this.lastClosedAt >= CHUNK_MAX_AGE_MS ? CHUNK_FIRST_LINE_MS : this.clock.chunkAgeMs))
    }
  }

  private isBeyondLimit(size: number): boolean {
    const { maxLines, maxBytes } = this.limits
    return (maxLines > 0 && this.lines >= maxLines) || (maxBytes > 0 && this.bytes + size > maxBytes)
  }

  private reachLimit(at: number): void {
    if (this.dropped.lines > 0) this.markDropped(at)
    this.isLimitReached = true
    this.limitAt = this.nextLine
    const { maxLines, maxBytes } = this.limits
    const isByLines = maxLines > 0 && this.lines >= maxLines
    const limit = isByLines ? `${maxLines.toLocaleString('en')} lines` : `${maxBytes.toLocaleString('en')} bytes`
    this.mark(`[jobtrail] log limit of ${limit} reached; what follows is left out`, at)
  }

  private markDropped(at: number): void {
    const { lines, bytes } = this.dropped
    this.losses = addLoss(this.losses, { reason: 'pressure', at: this.nextLine, lines, bytes })
    this.dropped.lines = 0
    this.dropped.bytes = 0
    this.mark(`[jobtrail] spool full: ${counted(lines, bytes)} left out`, at)
  }

  /** Markers are ours, so they count towards no limit. */
  private mark(text: string, at: number): void {
    this.put(Buffer.from(text), LineFlag.MARKER, at)
  }
}
