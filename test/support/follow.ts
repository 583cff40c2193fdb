import { setTimeout as sleep } from 'node:timers/promises'
import { type ApiClient, ApiError } from '@jobtrail/deploy/api-client'
import { FollowEnd, LogLineView } from '@jobtrail/api/logs'

const RECONNECT_MS = 200

/**
 * Somebody who follows a log as a browser does: after a lost connection it asks again, of the next of `apis`, with the ID of the last event that it saw. Begins
 * at once.
 */
export class LogFollower {
  /** In the order in which they came, over all connections. */
  readonly lines: LogLineView[] = []
  /** Set when the server has said that the log is over. */
  end: FollowEnd | undefined
  /** How often the connection was opened again where it broke off. */
  reconnects = 0
  /** Resolves when the log is over; rejects when an answer was wrong, or when it was stopped before. */
  readonly done: Promise<void>
  private isStopped = false

  constructor(
    private readonly apis: readonly ApiClient[],
    private readonly instanceId: string,
    private readonly query = '',
  ) {
    this.done = this.run()
    // A test that fails before it waits for the end must not be ended by this one's rejection.
    this.done.catch(() => undefined)
  }

  stop(): void {
    this.isStopped = true
  }

  private async run(): Promise<void> {
    let lastEventId: string | undefined
    for (let round = 0; !this.isStopped; round++) {
      const api = this.apis[round % this.apis.length]
      if (api === undefined) throw new RangeError('nobody to ask')
      try {
        const events = api.events(`/api/instances/${this.instanceId}/logs/follow${this.query}`, lastEventId === undefined ? {} : { lastEventId })
        for await (const { event, data, id } of events) {
          if (event === 'message') this.lines.push(LogLineView.parse(JSON.parse(data)))
          if (event === 'end') this.end = FollowEnd.parse(JSON.parse(data))
          lastEventId = id ?? lastEventId
          if (this.isStopped) break
        }
      } catch (error) {
        if (!isOutage(error)) throw error
      }
      if (this.end !== undefined) return
      this.reconnects++
      await sleep(RECONNECT_MS)
    }
    throw new Error(`stopped following ${this.instanceId} after ${this.lines.length} lines`)
  }
}

/** What an answer says when a server, or what it needs, is away. Any other failure is a fault, whatever is being broken meanwhile. */
const OUTAGES = [502, 503, 504]

/** The connection was refused or broke off, or the server that was asked could not answer just then. */
export function isOutage(error: unknown): boolean {
  if (error instanceof ApiError) return OUTAGES.includes(error.status)
  return error instanceof TypeError || (error instanceof DOMException && ['TimeoutError', 'AbortError'].includes(error.name))
}
