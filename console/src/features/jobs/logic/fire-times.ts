import { nextOffsetChange, offsetAt } from '@jobtrail/api/time-zone'

/** `shift`: the clock of the job's zone was changed between the fire before (or now) and this one, by so many ms. */
export type FireTime = { at: number; shift?: { at: number; byMs: number } }

/** Marks the fires before which daylight saving time begins or ends in the job's zone. */
export function withClockChanges(times: readonly number[], timeZone: string, now: number): FireTime[] {
  let before = now
  return times.map((at) => {
    const from = before
    before = at
    const byMs = offsetAt(timeZone, at) - offsetAt(timeZone, from)
    if (byMs === 0) return { at }
    return { at, shift: { at: nextOffsetChange(timeZone, from, at) ?? at, byMs } }
  })
}

/** The zone of the trigger; intervals and single times have none, so they are shown in the viewer's. */
export function zoneOf(trigger: { kind: string; timeZone?: string | undefined }, viewerZone: string): string {
  return trigger.kind === 'cron' ? (trigger.timeZone ?? 'UTC') : viewerZone
}
