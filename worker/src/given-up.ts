import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { leaseClock } from './lease.js'

/** As many as the lists in hello and heartbeat hold. */
const MAX_KEYS = 20_000

/**
 * Attempts that this worker took, and ended without telling how. Servers may not know that they started, and would take an attempt that is not listed for one that never
 * arrived, which is placed again at no cost.
 */
export class GivenUp {
  private readonly keys = new Map<string, { key: AttemptKey; since: number }>()

  constructor(private readonly now: () => number = leaseClock) {}

  add(key: AttemptKey): void {
    this.keys.set(attemptKeyString(key), { key, since: this.now() })
    const [oldest] = this.keys.keys()
    if (this.keys.size > MAX_KEYS && oldest !== undefined) this.keys.delete(oldest)
  }

  /** For hello and heartbeat. */
  get said(): { givenUp?: AttemptKey[] } {
    return this.keys.size === 0 ? {} : { givenUp: [...this.keys.values()].map(({ key }) => key) }
  }

  /** A server has answered a message sent at `sentAt`, by the lease clock: what was in it need not be said again. */
  answered(sentAt: number): void {
    for (const [text, { since }] of this.keys) if (since < sentAt) this.keys.delete(text)
  }
}
