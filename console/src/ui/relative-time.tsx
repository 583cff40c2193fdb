import { Tooltip } from 'antd'
import { currentLanguage } from '../app/i18n'
import { useTime } from '../app/time-zone'
import { useNow } from './now'

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
]
const formatters = new Map<string, Intl.RelativeTimeFormat>()

export function formatRelative(ms: number, language: string): string {
  let formatter = formatters.get(language)
  if (formatter === undefined) formatters.set(language, (formatter = new Intl.RelativeTimeFormat(language, { numeric: 'auto', style: 'short' })))
  const [unit, size] = STEPS.find(([, least]) => Math.abs(ms) >= least) ?? ['second', 1_000]
  return formatter.format(Math.trunc(ms / size), unit)
}

/** "3 min. ago", "in 20 sec.", with the exact time on hover or focus. */
export function RelativeTime({ at, jobZone }: { at: string; jobZone?: string }) {
  const now = useNow()
  const { format, offset } = useTime(jobZone)
  return (
    <Tooltip title={`${format(at)} ${offset(at)}`}>
      <time dateTime={at} className="jt-nums" style={{ whiteSpace: 'nowrap' }}>
        {formatRelative(Date.parse(at) - now, currentLanguage())}
      </time>
    </Tooltip>
  )
}

/** A time in the zone that the user chose; which one that is, on hover. */
export function Time({ at, jobZone, millis }: { at: string; jobZone?: string; millis?: boolean }) {
  const { format, offset, zone } = useTime(jobZone)
  return (
    <time dateTime={at} title={`${zone} (${offset(at)})`} className="jt-nums" style={{ whiteSpace: 'nowrap' }}>
      {format(at, millis === true ? 'millis' : 'full')}
    </time>
  )
}
