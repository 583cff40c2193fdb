import type { Retention } from '@jobtrail/api/auth'

const orForEver = (days: number | null): number => days ?? Infinity
/** Logs go with their run at the latest. */
const daysOfLogs = ({ runsDays, logsDays }: Retention): number => Math.min(orForEver(runsDays), orForEver(logsDays))

export const isSame = (one: Retention, other: Retention): boolean =>
  one.runsDays === other.runsDays && one.logsDays === other.logsDays && one.auditDays === other.auditDays

/** Something that is kept now would be removed. */
export const isShorter = (now: Retention, next: Retention): boolean =>
  orForEver(next.runsDays) < orForEver(now.runsDays) || daysOfLogs(next) < daysOfLogs(now) || orForEver(next.auditDays) < orForEver(now.auditDays)
