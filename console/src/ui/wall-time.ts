import { offsetAt } from '@jobtrail/api/time-zone'

const DAY_MS = 86_400_000

/** What clocks of a zone show at a time, as `2026-11-21T08:30:00.000`. */
export function wallTimeOf(iso: string, zone: string): string {
  const at = Date.parse(iso)
  return new Date(at + offsetAt(zone, at)).toISOString().slice(0, -1)
}

/** When clocks of a zone show a time: the first of two, and where clocks are put forward over it the time that is as long after the change. */
export function isoOfWallTime(wall: string, zone: string): string {
  const shown = Date.parse(`${wall}Z`)
  const [before, after] = [offsetAt(zone, shown - DAY_MS), offsetAt(zone, shown + DAY_MS)]
  const found = [before, after].map((offset) => shown - offset).filter((at) => at + offsetAt(zone, at) === shown)
  return new Date(found.length === 0 ? shown - before : Math.min(...found)).toISOString()
}
