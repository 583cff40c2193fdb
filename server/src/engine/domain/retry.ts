import type { RetryPolicy } from '@jobtrail/api/jobs'

/** Bound on attempts that were lost before they started: they cost the job no retry, but must not go on for ever. */
export const MAX_UNSTARTED_LOSSES = 20

/** Wait after the `losses`-th attempt (from 1) that was lost before it started: a connection that flaps must not use them all up at once. */
export function unstartedBackoffMs(losses: number): number {
  return Math.min(30_000, 50 * 2 ** (losses - 1))
}

/** Wait before retry `retry` (from 1), in ms. */
export function backoffMs(policy: RetryPolicy, retry: number): number {
  return Math.min(policy.maxBackoffMs, Math.round(policy.backoffMs * policy.factor ** (retry - 1)))
}
