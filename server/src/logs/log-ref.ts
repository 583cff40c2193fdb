import type { OwnedAttempt } from '../engine/ports/attempt-logs.js'

/** Where the chunks of a stream lie. `chunks`: where they arrive. */
export const LOG_LOCATIONS = ['chunks'] as const
export type LogLocation = (typeof LOG_LOCATIONS)[number]

/** A log stream as the store is asked for it: whose it is, so that a store can lay logs out by it, and where its chunks lie, if its record was read before. */
export type LogRef = OwnedAttempt & { location?: LogLocation | undefined }
