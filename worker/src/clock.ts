/** Milliseconds for measuring how long something takes or has waited: no one sets this clock. */
export const monotonicMs = (): number => performance.now()

/**
 * The time of day, as far as it goes forward: while the wall clock is behind what was told before (someone set it back), time passes by the monotonic clock. Made for
 * one attempt, so that its lines and its end keep their distances and the next attempt has the right time again.
 */
export class ForwardClock {
  private last = -Infinity
  private lastMono = 0

  constructor(
    private readonly wall: () => number = Date.now,
    private readonly mono: () => number = monotonicMs,
  ) {}

  now(): number {
    const mono = this.mono()
    this.last = Math.max(this.wall(), this.last + mono - this.lastMono)
    this.lastMono = mono
    return Math.floor(this.last)
  }
}
