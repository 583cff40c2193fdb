const FIRST_MS = 1_000
const LONGEST_MS = 60_000
const MAX_JOBS = 1_000

/** Jobs that could not be fired, and until when they are left alone: 1 s at first, doubled each time, with jitter. */
export class JobBackoff {
  private readonly failures = new Map<string, { count: number; until: number }>()

  /** When the job is tried again (ms). */
  failed(jobId: string, now: number, random = Math.random()): number {
    const count = (this.failures.get(jobId)?.count ?? 0) + 1
    const until = now + Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(count - 1, 20)) * (0.75 + random / 2)
    this.failures.delete(jobId)
    this.failures.set(jobId, { count, until })
    const [oldest] = this.failures.keys()
    if (this.failures.size > MAX_JOBS && oldest !== undefined) this.failures.delete(oldest)
    return until
  }

  succeeded(jobId: string): void {
    this.failures.delete(jobId)
  }

  /** Those to be left alone now. */
  waiting(now: number): string[] {
    return [...this.failures].filter(([, { until }]) => until > now).map(([jobId]) => jobId)
  }
}
