import { backoffMs } from './backoff.js'
import { BrokenSpoolError } from './segment.js'
import type { StreamQueue } from './stream-queue.js'

/** Chunks in memory, waiting or in flight; the rest is read back from the spool. */
export const MEMORY_BUDGET_BYTES = 16 * 1024 * 1024
const READ_BELOW_BYTES = 256 * 1024
const READS_AT_ONCE = 4
const RETRY_BASE_MS = 50
const RETRY_MAX_MS = 5_000

export interface BacklogReaderOptions {
  /** What the sender holds in memory; what is read is added. */
  memory: { bytes: number }
  isUp: () => boolean
  /** Nothing is waiting or in flight: one part may be read whatever the budget says. */
  isIdle: () => boolean
  onRead: (queue: StreamQueue) => void
  onBroken: (queue: StreamQueue, error: Error) => void
  onFault: (error: unknown, what: string) => void
}

/** Brings back from the spool what did not fit in memory, one part of each stream in turn, as far as the budget allows. */
export class BacklogReader {
  private readonly options: BacklogReaderOptions
  /** Streams whose backlog is to be read, in turn. */
  private readonly hungry = new Set<StreamQueue>()
  private reads = 0
  private failures = 0
  private timer: NodeJS.Timeout | undefined

  constructor(options: BacklogReaderOptions) {
    this.options = options
  }

  /** The stream may need something to send. */
  feed(queue: StreamQueue): void {
    if (queue.hasBacklog && !queue.isReading && queue.waitingBytes < READ_BELOW_BYTES) this.hungry.add(queue)
    this.pump()
  }

  remove(queue: StreamQueue): void {
    this.hungry.delete(queue)
  }

  close(): void {
    clearTimeout(this.timer)
    this.hungry.clear()
  }

  pump(): void {
    const { memory, isUp, isIdle } = this.options
    while (isUp() && this.timer === undefined && this.reads < READS_AT_ONCE && (memory.bytes < MEMORY_BUDGET_BYTES || isIdle())) {
      const [queue] = this.hungry
      if (queue === undefined) return
      this.hungry.delete(queue)
      if (queue.isGone || queue.isHeld || queue.isReading || !queue.hasBacklog) continue
      this.reads++
      void this.read(queue)
    }
  }

  /** Never rejects. */
  private async read(queue: StreamQueue): Promise<void> {
    try {
      this.options.memory.bytes += await queue.readBacklog()
      this.failures = 0
    } catch (error) {
      if (!queue.isGone) this.fail(queue, error)
    } finally {
      this.reads--
    }
    this.options.onRead(queue)
    this.pump()
  }

  /** A broken file is set aside; when the disk or the system refuses (out of descriptors), reading is tried again after a pause. */
  private fail(queue: StreamQueue, error: unknown): void {
    if (error instanceof BrokenSpoolError) return this.options.onBroken(queue, error)
    if (this.failures++ === 0) this.options.onFault(error, 'read spool')
    this.hungry.add(queue)
    this.timer ??= setTimeout(
      () => {
        this.timer = undefined
        this.pump()
      },
      backoffMs(this.failures, RETRY_BASE_MS, RETRY_MAX_MS),
    )
  }
}
