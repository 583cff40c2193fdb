import { DatePicker } from 'antd'
import dayjs, { type Dayjs } from 'dayjs'
import { useTime } from '../app/time-zone'
import { isoOfWallTime, wallTimeOf } from './wall-time'

/** A date picker reckons in the browser's zone only: it is shown the wall-clock time of the chosen one. */
const shownOf = (iso: string | undefined, zone: string): Dayjs | null => {
  if (iso === undefined || Number.isNaN(Date.parse(iso))) return null
  return dayjs(wallTimeOf(iso, zone))
}

/** What was not touched stays as it was: a wall-clock time that is shown twice would move. */
function pickedOf(picked: Dayjs | null | undefined, zone: string, former: string | undefined): string | undefined {
  if (picked === null || picked === undefined) return undefined
  return shownOf(former, zone)?.isSame(picked) === true ? former : isoOfWallTime(picked.format('YYYY-MM-DDTHH:mm:ss.SSS'), zone)
}

type RangeProps = {
  from: string | undefined
  to: string | undefined
  label: string
  onChange: (range: { from: string | undefined; to: string | undefined }) => void
}

/** From and to, either of which may be left open, in the time zone that the user chose, which it names. */
export function ZonedRangePicker({ from, to, label, onChange }: RangeProps) {
  const { zone } = useTime()
  return (
    <DatePicker.RangePicker
      showTime={{ format: 'HH:mm' }}
      format="YYYY-MM-DD HH:mm"
      allowEmpty={[true, true]}
      aria-label={`${label}, ${zone}`}
      prefix={<span style={{ opacity: 0.75, fontSize: 12 }}>{zone}</span>}
      value={[shownOf(from, zone), shownOf(to, zone)]}
      onChange={(range) => onChange({ from: pickedOf(range?.[0], zone, from), to: pickedOf(range?.[1], zone, to) })}
    />
  )
}

type Props = { value: string | undefined; onChange: (iso: string | undefined) => void; id: string; status: 'error' | '' }

/** One time to the second, in the time zone that the user chose; what is beside it has to name that. */
export function ZonedPicker({ value, onChange, id, status }: Props) {
  const { zone } = useTime()
  return (
    <DatePicker
      id={id}
      status={status}
      showTime
      needConfirm={false}
      value={shownOf(value, zone)}
      onChange={(next) => onChange(pickedOf(next, zone, value))}
      style={{ width: 240 }}
    />
  )
}
