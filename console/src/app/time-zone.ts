import { useEffect, useMemo } from 'react'
import { useSearchParams } from 'react-router'
import { Stored, useStored } from './stored'

/** Whose time zone times are shown in; `job`: the job's, where there is one, else the browser's. */
export const ZONE_MODES = ['browser', 'utc', 'job'] as const
export type ZoneMode = (typeof ZONE_MODES)[number]

const modeOf = (text: string | null): ZoneMode | undefined => ZONE_MODES.find((mode) => mode === text)
const stored = new Stored<ZoneMode>('jobtrail.zone', (text) => modeOf(text) ?? 'browser')
/** In the URL where it is not the browser's, so that a link shows the same times to a colleague. */
export const ZONE_PARAM = 'tz'
export const BROWSER_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone

/** The choice and the zone that it means; `jobZone` is the zone of the job that the page is about. */
export function useTimeZone(jobZone?: string): { mode: ZoneMode; setMode: (mode: ZoneMode) => void; zone: string } {
  const [mode, setMode] = useStored(stored)
  return { mode, setMode, zone: mode === 'utc' ? 'UTC' : mode === 'job' ? (jobZone ?? BROWSER_ZONE) : BROWSER_ZONE }
}

/** Shows times as the URL says: whoever follows a link keeps what they chose for themselves. */
export function useZoneOfUrl(): void {
  const [search] = useSearchParams()
  const mode = modeOf(search.get(ZONE_PARAM))
  useEffect(() => {
    if (mode !== undefined) stored.lend(mode)
  }, [mode])
}

export type TimeFormat = 'full' | 'millis' | 'minute' | 'date' | 'time'

const formatters = new Map<string, Intl.DateTimeFormat>()
const offsets = new Map<string, Intl.DateTimeFormat>()

function partsOf(zone: string, at: Date): Record<string, string> {
  let formatter = formatters.get(zone)
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      fractionalSecondDigits: 3,
    })
    formatters.set(zone, formatter)
  }
  return Object.fromEntries(formatter.formatToParts(at).map(({ type, value }) => [type, value]))
}

/** `2026-11-21 08:30:00` in a zone: the same in every language, and in the order that sorts. */
export function formatTime(iso: string | number | Date, zone: string, format: TimeFormat = 'full'): string {
  const at = new Date(iso)
  if (Number.isNaN(at.getTime())) return String(iso)
  const { year, month, day, hour, minute, second, fractionalSecond } = partsOf(zone, at)
  const date = `${year}-${month}-${day}`
  switch (format) {
    case 'date':
      return date
    case 'time':
      return `${hour}:${minute}:${second}`
    case 'minute':
      return `${date} ${hour}:${minute}`
    case 'full':
      return `${date} ${hour}:${minute}:${second}`
    case 'millis':
      return `${date} ${hour}:${minute}:${second}.${fractionalSecond}`
  }
}

/** `GMT+8`, `UTC`: the offset of a zone at a time. */
export function formatOffset(iso: string | number | Date, zone: string): string {
  let formatter = offsets.get(zone)
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'shortOffset' })
    offsets.set(zone, formatter)
  }
  return formatter.formatToParts(new Date(iso)).find(({ type }) => type === 'timeZoneName')?.value ?? zone
}

/** Formats times in the zone that the user chose. */
export function useTime(jobZone?: string): {
  zone: string
  format: (iso: string | number | Date, format?: TimeFormat) => string
  offset: (iso: string | number | Date) => string
} {
  const { zone } = useTimeZone(jobZone)
  return useMemo(() => ({ zone, format: (iso, format) => formatTime(iso, zone, format), offset: (iso) => formatOffset(iso, zone) }), [zone])
}
