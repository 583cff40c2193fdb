const FIRST_MS = 1_000
const LONGEST_MS = 60_000
const MAX_REMEMBERED = 1_000

/** What keeps failing, by ID, and until when it is left alone: 1 s at first, doubled each time, with jitter. */
export class Backoffs {
  private readonly failures = new Map<string, { count: number; until: number }>()

  /** When it is tried again (ms). */
  failed(id: string, now: number, random = Math.random()): number {
    const count = (this.failures.get(id)?.count ?? 0) + 1
    const until = now + Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(count - 1, 20)) * (0.75 + random / 2)
    this.failures.delete(id)
    this.failures.set(id, { count, until })
    const [oldest] = this.failures.keys()
    if (this.failures.size > MAX_REMEMBERED && oldest !== undefined) this.failures.delete(oldest)
    return until
  }

  succeeded(id: string): void {
    this.failures.delete(id)
  }

  /** Those to be left alone now. */
  waiting(now: number): string[] {
    return [...this.failures].filter(([, { until }]) => until > now).map(([id]) => id)
  }
}
