/** Exponential back-off with full jitter: between `minMs` and min(`maxMs`, `minMs` × 2^failures), so that many workers never come back at once. */
export class Backoff {
  private failures = 0

  constructor(
    private readonly minMs: number,
    private readonly maxMs: number,
    private readonly random: () => number = Math.random,
  ) {}

  /** How long to wait after one more failure. */
  next(): number {
    this.failures = Math.min(this.failures + 1, 30)
    const ceiling = Math.min(this.maxMs, this.minMs * 2 ** this.failures)
    return Math.round(this.minMs + this.random() * (ceiling - this.minMs))
  }

  reset(): void {
    this.failures = 0
  }
}
