import { Tooltip } from 'antd'
import { currentLanguage } from '../app/i18n'
import { useTime } from '../app/time-zone'
import { formatRelative } from './format-relative'
import { useNow } from './now'

/** "3 min. ago", "in 20 sec.", with the exact time on hover or focus. */
export function RelativeTime({ at, jobZone }: { at: string; jobZone?: string }) {
  const now = useNow()
  const { format, offset, zone } = useTime(jobZone)
  return (
    <Tooltip title={`${format(at)} ${offset(at)}`}>
      <time dateTime={at} className="jt-nums" style={{ whiteSpace: 'nowrap' }}>
        {formatRelative(Date.parse(at), now, zone, currentLanguage())}
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
