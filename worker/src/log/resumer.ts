import { setTimeout as sleep } from 'node:timers/promises'
import { MAX_BATCH, type Resumed } from '@jobtrail/protocol/wire/worker'
import { backoffMs } from './backoff.js'
import type { StreamQueue } from './stream-queue.js'
import type { LogTransport } from './transport.js'

const RETRY_BASE_MS = 100
const RETRY_MAX_MS = 5_000

export type ResumeResult = Resumed['results'][number]
export interface ResumerOptions {
  transport: LogTransport
  onFault: (error: unknown, what: string) => void
  onResumed: (queue: StreamQueue, result: ResumeResult) => void
}

/** Asks a server, after each connect, what is stored of the streams that are not done; page by page, until it is answered or the connection is gone. */
export class Resumer {
  private readonly options: ResumerOptions
  private current: AbortController | undefined

  constructor(options: ResumerOptions) {
    this.options = options
  }

  connected(queues: readonly StreamQueue[]): void {
    this.disconnected()
    const current = new AbortController()
    this.current = current
    void this.run(queues, current.signal)
  }

  /** Asks about one stream more; without a connection the next one does. */
  ask(queue: StreamQueue): void {
    if (this.current !== undefined) void this.run([queue], this.current.signal)
  }

  disconnected(): void {
    this.current?.abort()
    this.current = undefined
  }

  /** Never rejects. */
  private async run(queues: readonly StreamQueue[], signal: AbortSignal): Promise<void> {
    let failures = 0
    for (let at = 0; at < queues.length && !signal.aborted;) {
      const page = queues.slice(at, at + MAX_BATCH)
      try {
        const { results } = await this.options.transport.resume({ streams: page.map(({ key }) => key) })
        if (signal.aborted) return
        if (results.length !== page.length) throw new Error(`resume: ${results.length} results for ${page.length} streams`)
        page.forEach((queue, i) => {
          const result = results[i]
          if (result !== undefined && !queue.isGone) this.options.onResumed(queue, result)
        })
        at += page.length
        failures = 0
      } catch (error) {
        if (signal.aborted) return
        failures++
        this.options.onFault(error, 'resume')
        // Aborted by a disconnect: the loop's condition ends it.
        await sleep(backoffMs(failures, RETRY_BASE_MS, RETRY_MAX_MS), undefined, { signal }).catch(() => undefined)
      }
    }
  }
}
