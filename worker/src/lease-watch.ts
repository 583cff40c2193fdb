import { Lease, leaseClock } from './lease.js'

/** The lease is looked at this often at least: timers do not count the time that a machine sleeps. */
const CHECK_MS = 1_000

export interface LeaseWatchOptions {
  /** When the guard has to kill if the worker cannot, in ms of the lease clock. */
  onRenewed(guardDeadline: number): void
  /** Nothing may run any more: another worker may already have been given the same task. Called at each look until the lease is renewed. */
  onExpired(): void
}

/** Holds the worker's lease and acts when it runs out, by itself or when somebody looks. */
export class LeaseWatch {
  private readonly lease: Lease
  private timer: NodeJS.Timeout | undefined

  constructor(
    private readonly options: LeaseWatchOptions,
    private readonly now: () => number = leaseClock,
  ) {
    this.lease = new Lease(now)
  }

  get isExpired(): boolean {
    return this.lease.isExpired
  }

  /** An answer arrived to a message sent at `sentAt`. */
  renew(sentAt: number, leaseMs?: number): void {
    // An answer that waited while this process was frozen must not revive what ran out meanwhile.
    this.check()
    this.lease.renew(sentAt, leaseMs)
    if (this.lease.guardDeadline !== undefined) this.options.onRenewed(this.lease.guardDeadline)
    this.wait()
  }

  check(): void {
    if (this.lease.isExpired) this.options.onExpired()
  }

  close(): void {
    clearTimeout(this.timer)
  }

  private wait(): void {
    clearTimeout(this.timer)
    const { deadline } = this.lease
    if (deadline === undefined) return
    const left = deadline - this.now()
    if (left <= 0) this.check()
    else this.timer = setTimeout(() => this.wait(), Math.min(left, CHECK_MS))
  }
}
