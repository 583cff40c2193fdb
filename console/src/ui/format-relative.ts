import { offsetAt } from '@jobtrail/api/time-zone'

const DAY_MS = 86_400_000
const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
]
const formatters = new Map<string, Intl.RelativeTimeFormat>()

/** From a day on the dates of the zone count: what is 38 hours away may be tomorrow or the day after. All times in milliseconds. */
export function formatRelative(at: number, now: number, zone: string, language: string): string {
  let formatter = formatters.get(language)
  if (formatter === undefined) formatters.set(language, (formatter = new Intl.RelativeTimeFormat(language, { numeric: 'auto', style: 'short' })))
  const ms = at - now
  if (Math.abs(ms) >= DAY_MS) return formatter.format(dayOf(at, zone) - dayOf(now, zone), 'day')
  const [unit, size] = STEPS.find(([, least]) => Math.abs(ms) >= least) ?? ['second', 1_000]
  return formatter.format(Math.trunc(ms / size), unit)
}

const dayOf = (at: number, zone: string): number => Math.floor((at + offsetAt(zone, at)) / DAY_MS)
