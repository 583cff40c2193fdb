/** What the cron builder offers; anything else is `custom` and edited as text. Weekdays are 0 (Sunday) to 6. */
export type CronPattern =
  | { kind: 'seconds'; every: number }
  | { kind: 'minutes'; every: number }
  | { kind: 'hourly'; every: number; minute: number }
  | { kind: 'daily'; hour: number; minute: number }
  | { kind: 'weekly'; weekdays: number[]; hour: number; minute: number }
  | { kind: 'monthly'; day: number | 'L'; hour: number; minute: number }
  | { kind: 'custom' }
export type CronPatternKind = CronPattern['kind']

/** Steps that divide their unit, so that the pauses are all equal. */
export const EVEN_STEPS = {
  seconds: [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30],
  minutes: [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30],
  hours: [1, 2, 3, 4, 6, 8, 12],
} as const

const WEEKDAY_NAMES = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

/** The expression of a pattern; undefined for `custom`, which has none of its own. */
export function expressionOf(pattern: CronPattern): string | undefined {
  switch (pattern.kind) {
    case 'seconds':
      return `${step(pattern.every)} * * * * *`
    case 'minutes':
      return `${step(pattern.every)} * * * *`
    case 'hourly':
      return `${pattern.minute} ${step(pattern.every)} * * *`
    case 'daily':
      return `${pattern.minute} ${pattern.hour} * * *`
    case 'weekly':
      return `${pattern.minute} ${pattern.hour} * * ${weekdayField(pattern.weekdays)}`
    case 'monthly':
      return `${pattern.minute} ${pattern.hour} ${pattern.day} * *`
    case 'custom':
      return undefined
  }
}

/** The builder's view of an expression. */
export function patternOf(expression: string): CronPattern {
  const fields = expression.trim().split(/\s+/)
  if (fields.length === 6) return secondsPattern(fields)
  if (fields.length !== 5) return { kind: 'custom' }
  const [minuteField = '', hourField = '', dayField = '', monthField = '', weekdayText = ''] = fields
  if (monthField !== '*') return { kind: 'custom' }
  const isEveryDay = dayField === '*' && weekdayText === '*'
  const minuteStep = stepOf(minuteField, EVEN_STEPS.minutes)
  if (minuteStep !== undefined && hourField === '*' && isEveryDay) return { kind: 'minutes', every: minuteStep }
  const minute = numberOf(minuteField, 59)
  if (minute === undefined) return { kind: 'custom' }
  const hourStep = stepOf(hourField, EVEN_STEPS.hours)
  if (hourStep !== undefined && isEveryDay) return { kind: 'hourly', every: hourStep, minute }
  const hour = numberOf(hourField, 23)
  if (hour === undefined) return { kind: 'custom' }
  if (isEveryDay) return { kind: 'daily', hour, minute }
  if (dayField === '*') {
    const weekdays = weekdaysOf(weekdayText)
    return weekdays === undefined ? { kind: 'custom' } : { kind: 'weekly', weekdays, hour, minute }
  }
  const day = dayField === 'L' ? ('L' as const) : numberOf(dayField, 31)
  return weekdayText === '*' && day !== undefined && day !== 0 ? { kind: 'monthly', day, hour, minute } : { kind: 'custom' }
}

/** A pattern of another kind, keeping the time of day that was chosen. */
export function patternFor(kind: CronPatternKind, before: CronPattern): CronPattern {
  const minute = 'minute' in before ? before.minute : 0
  const hour = 'hour' in before ? before.hour : 2
  switch (kind) {
    case 'seconds':
      return { kind, every: 30 }
    case 'minutes':
      return { kind, every: 5 }
    case 'hourly':
      return { kind, every: 1, minute }
    case 'daily':
      return { kind, hour, minute }
    case 'weekly':
      return { kind, weekdays: [1], hour, minute }
    case 'monthly':
      return { kind, day: 1, hour, minute }
    case 'custom':
      return { kind }
  }
}

const step = (every: number): string => (every === 1 ? '*' : `*/${every}`)

function weekdayField(weekdays: number[]): string {
  const sorted = [...new Set(weekdays)].toSorted((a, b) => a - b)
  const text = sorted.join(',')
  if (text === '1,2,3,4,5') return 'MON-FRI'
  return sorted.map((day) => WEEKDAY_NAMES[day]).join(',')
}

function secondsPattern(fields: string[]): CronPattern {
  const every = stepOf(fields[0] ?? '', EVEN_STEPS.seconds)
  return every !== undefined && fields.slice(1).every((field) => field === '*') ? { kind: 'seconds', every } : { kind: 'custom' }
}

function stepOf(field: string, allowed: readonly number[]): number | undefined {
  if (field === '*') return 1
  const every = /^\*\/(\d{1,2})$/.exec(field)?.[1]
  return every !== undefined && allowed.includes(Number(every)) ? Number(every) : undefined
}

function numberOf(field: string, max: number): number | undefined {
  return /^\d{1,2}$/.test(field) && Number(field) <= max ? Number(field) : undefined
}

/** Names, numbers (7 is Sunday too), lists and ranges. */
function weekdaysOf(field: string): number[] | undefined {
  const days = new Set<number>()
  for (const part of field.toUpperCase().split(',')) {
    const [from, to = from, ...rest] = part.split('-').map(weekdayOf)
    if (from === undefined || to === undefined || rest.length > 0 || from > to) return undefined
    for (let day = from; day <= to; day += 1) days.add(day % 7)
  }
  return [...days].toSorted((a, b) => a - b)
}

function weekdayOf(text: string): number | undefined {
  const named = WEEKDAY_NAMES.indexOf(text)
  if (named >= 0) return named
  return /^[0-7]$/.test(text) ? Number(text) : undefined
}
