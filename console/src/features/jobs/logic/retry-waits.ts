type Retry = { maxRetries: number; backoffMs: number; factor: number; maxBackoffMs: number }

/** The waits before the first retries, and of all of them together. */
export function retryWaits({ maxRetries, backoffMs, factor, maxBackoffMs }: Retry, shown = 5): { waits: number[]; isMore: boolean; totalMs: number } {
  const waits = Array.from({ length: maxRetries }, (_, i) => Math.min(backoffMs * factor ** i, maxBackoffMs))
  return { waits: waits.slice(0, shown), isMore: waits.length > shown, totalMs: waits.reduce((sum, wait) => sum + wait, 0) }
}
