/** A fire that is stored later than this after its time was missed: it goes behind what is due on time. */
export const MISSED_AFTER_MS = 10_000

/** Its time had passed for long when it was made: an outage held it up. A retry is due by itself, not by the schedule. */
export const isMissed = ({ dueAt, createdAt }: { dueAt: Date; createdAt: Date }): boolean => dueAt.getTime() < createdAt.getTime() - MISSED_AFTER_MS
