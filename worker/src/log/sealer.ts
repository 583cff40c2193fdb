import type { LineRange, StreamTotals } from '@jobtrail/protocol/log/chunk'
import { MAX_BATCH } from '@jobtrail/protocol/wire/worker'
import { monotonicMs } from '../clock.js'
import { backoffMs } from './backoff.js'
import type { StreamQueue } from './stream-queue.js'
import type { LogTransport } from './transport.js'

const RETRY_BASE_MS = 100
const RETRY_MAX_MS = 10_000

export interface SealerOptions {
  transport: LogTransport
  onFault: (error: unknown, what: string) => void
  /** Sealed, or unknown to the server: the spool can forget it. */
  onSealed: (queue: StreamQueue) => void
  onMissing: (queue: StreamQueue, missing: LineRange[]) => void
  onConflict: (queue: StreamQueue) => void
}
type Waiting = { queue: StreamQueue; totals: StreamTotals }

/** Seals the streams that ended and are delivered, many in a message, one message at a time, until the server has answered for each. */
export class Sealer {
  private readonly options: SealerOptions
  private readonly waiting = new Map<StreamQueue, StreamTotals>()
  /** How often a stream had to be sealed again, and until when it rests. */
  private readonly resting = new Map<StreamQueue, { tries: number; until: number }>()
  private isUp = false
  private isBusy = false
  private failures = 0
  private timer: NodeJS.Timeout | undefined

  constructor(options: SealerOptions) {
    this.options = options
  }

  connected(): void {
    this.isUp = true
    this.failures = 0
    this.pump()
  }

  disconnected(): void {
    this.isUp = false
    clearTimeout(this.timer)
    this.timer = undefined
  }

  /** The stream is over and every chunk of it acknowledged. */
  add(queue: StreamQueue, totals: StreamTotals): void {
    if (!this.waiting.has(queue)) this.waiting.set(queue, totals)
    // It may have waited since before the last connect, and been held until now.
    this.pump()
  }

  remove(queue: StreamQueue): void {
    this.waiting.delete(queue)
    this.resting.delete(queue)
  }

  private pump(): void {
    if (!this.isUp || this.isBusy || this.timer !== undefined || !this.options.transport.isConnected) return
    const now = monotonicMs()
    const batch: Waiting[] = []
    let next = Infinity
    for (const [queue, totals] of this.waiting) {
      const until = this.resting.get(queue)?.until ?? 0
      if (until > now) next = Math.min(next, until)
      else if (!queue.isHeld) batch.push({ queue, totals })
      if (batch.length === MAX_BATCH) break
    }
    if (batch.length > 0) void this.seal(batch)
    else if (next < Infinity) this.wakeIn(next - now)
  }

  private wakeIn(ms: number): void {
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.pump()
    }, ms)
  }

  /** Never rejects. */
  private async seal(batch: readonly Waiting[]): Promise<void> {
    this.isBusy = true
    try {
      const { results } = await this.options.transport.seal({ streams: batch.map(({ queue, totals }) => ({ ...queue.key, totals })) })
      if (results.length !== batch.length) throw new Error(`seal: ${results.length} results for ${batch.length} streams`)
      this.failures = 0
      batch.forEach(({ queue }, i) => {
        const result = results[i]
        // It may have been removed meanwhile.
        if (result !== undefined && this.waiting.delete(queue)) this.take(queue, result.state, result.missing)
      })
    } catch (error) {
      if (this.isUp && this.options.transport.isConnected) {
        this.failures++
        this.options.onFault(error, 'seal')
        this.wakeIn(backoffMs(this.failures, RETRY_BASE_MS, RETRY_MAX_MS))
      }
    } finally {
      this.isBusy = false
    }
    this.pump()
  }

  private take(queue: StreamQueue, state: 'sealed' | 'missing' | 'conflict' | 'unknown', missing: LineRange[]): void {
    if (state !== 'missing') this.resting.delete(queue)
    if (state === 'sealed' || state === 'unknown') this.options.onSealed(queue)
    else if (state === 'conflict') this.options.onConflict(queue)
    else {
      const tries = (this.resting.get(queue)?.tries ?? 0) + 1
      // The first time, what is missing is sent and sealed at once.
      this.resting.set(queue, { tries, until: tries === 1 ? 0 : monotonicMs() + backoffMs(tries, RETRY_BASE_MS, RETRY_MAX_MS) })
      this.options.onMissing(queue, missing)
    }
  }
}
