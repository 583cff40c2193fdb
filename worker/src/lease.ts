import { uptime } from 'node:os'

/**
 * Milliseconds on a clock that no one sets, the same in every process of the machine (the guard compares with it). On Linux it also counts the time that
 * the machine was suspended, during which a lease runs out all the same.
 */
export const leaseClock: () => number =
  process.platform === 'linux' ? oncePerMillisecond(() => Math.round(uptime() * 1000)) : () => Number(process.hrtime.bigint() / 1_000_000n)

/** Reading the uptime opens a file, and hundreds of attempts may ask in one turn. The wall clock tells whether the last answer still holds: a suspension moves it. */
function oncePerMillisecond(read: () => number): () => number {
  let wallTime = Number.NaN
  let answer = 0
  return () => {
    const now = Date.now()
    if (now !== wallTime) {
      answer = read()
      wallTime = now
    }
    return answer
  }
}

/** How long before the end of a lease its attempts are killed: a tenth, at least 500 ms, never more than half. */
export const leaseMarginMs = (leaseMs: number): number => Math.min(Math.max(leaseMs / 10, 500), leaseMs / 2)

/**
 * The worker's right to run what it runs. It is measured from the moment the last acknowledged message was sent, not from its answer: the server's count
 * cannot have begun earlier, so the worker always stops first.
 */
export class Lease {
  private renewedAt: number | undefined
  private leaseMs = 0

  constructor(private readonly now: () => number = leaseClock) {}

  /** An answer arrived to a message sent at `sentAt`. Answers may arrive out of order. */
  renew(sentAt: number, leaseMs = this.leaseMs): void {
    if (this.renewedAt !== undefined && sentAt < this.renewedAt) return
    this.renewedAt = sentAt
    this.leaseMs = leaseMs
  }

  /** When the worker itself kills; undefined before the first renewal. */
  get deadline(): number | undefined {
    return this.renewedAt === undefined ? undefined : this.renewedAt + this.leaseMs - leaseMarginMs(this.leaseMs)
  }

  /** When the guard kills: a little later, so that it acts only for a worker that cannot. */
  get guardDeadline(): number | undefined {
    return this.renewedAt === undefined ? undefined : this.renewedAt + this.leaseMs - leaseMarginMs(this.leaseMs) / 2
  }

  get isExpired(): boolean {
    const deadline = this.deadline
    return deadline !== undefined && this.now() >= deadline
  }
}
