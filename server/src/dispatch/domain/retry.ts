import type { RetryPolicy } from '@jobtrail/shared/api/jobs'

/** Bound on attempts that were lost before they started: they cost the job no retry, but must not go on for ever. */
export const MAX_UNSTARTED_LOSSES = 20

/** Wait before retry `retry` (from 1), in ms. */
export function backoffMs(policy: RetryPolicy, retry: number): number {
  return Math.min(policy.maxBackoffMs, Math.round(policy.backoffMs * policy.factor ** (retry - 1)))
}
