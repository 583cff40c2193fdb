import { MAX_KILL_GRACE_MS } from '@jobtrail/protocol/wire/job'

/** How long the last deliveries and seals may take at a stop; what is left stays in the spool for the next start. */
export const DELIVER_TIMEOUT_MS = 15_000
const CLOSE_MS = 15_000

/** The longest that a graceful stop can take: it waits for what runs, then for what it told to end, then for what is to be delivered. */
export const longestStopMs = (drainTimeoutMs: number): number => drainTimeoutMs + MAX_KILL_GRACE_MS + 2 * DELIVER_TIMEOUT_MS + CLOSE_MS
