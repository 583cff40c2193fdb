/** Two changes within one step would cancel out. The closest ones from 2026 to 2090 are a week apart (Asia/Gaza in October 2040, around Ramadan). */
const STEP_MS = 86_400_000
/** Longest piece of wall-clock time that a zone repeats. */
const LONGEST_REPEAT_MS = 3 * 3_600_000
const MAX_FORMATS = 1_000
const formats = new Map<string, Intl.DateTimeFormat>()

export function isTimeZone(name: string): boolean {
  try {
    formatOf(name)
    return true
  } catch {
    return false
  }
}

/** Wall-clock time minus UTC in the zone at `at`, in ms. */
export function offsetAt(timeZone: string, at: number): number {
  if (timeZone === 'UTC') return 0
  const part = formatOf(timeZone)
    .formatToParts(at)
    .find((each) => each.type === 'timeZoneName')
  const [, sign, hours, minutes, seconds] = /^GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(part?.value ?? '') ?? []
  if (sign === undefined) return 0
  return (sign === '-' ? -1_000 : 1_000) * (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds ?? 0))
}

/** The first moment in (from, to] from which the zone's offset is another than at `from`; undefined where it stays. */
export function nextOffsetChange(timeZone: string, from: number, to: number): number | undefined {
  if (timeZone === 'UTC') return undefined
  const offset = offsetAt(timeZone, from)
  for (let low = from; low < to; low += STEP_MS) {
    const high = Math.min(low + STEP_MS, to)
    if (offsetAt(timeZone, high) !== offset) return bisect(timeZone, offset, low, high)
  }
  return undefined
}

/** Where `at` is in the second pass of wall-clock time that the zone repeats: the wall-clock time (as ms, as if it were UTC) at which the repetition ends. `offset`: the one at `at`. */
export function repetitionEnd(timeZone: string, at: number, offset: number): number | undefined {
  const before = offsetAt(timeZone, at - LONGEST_REPEAT_MS)
  if (before <= offset) return undefined
  const end = bisect(timeZone, before, at - LONGEST_REPEAT_MS, at) + before
  return at + offset < end ? end : undefined
}

/** `low` has the offset, `high` has not. */
function bisect(timeZone: string, offset: number, low: number, high: number): number {
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offsetAt(timeZone, middle) === offset) low = middle
    else high = middle
  }
  return high
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
    if (formats.size >= MAX_FORMATS) formats.clear()
    formats.set(timeZone, format)
  }
  return format
}
