import { Cron, CronPattern } from 'croner'
import { isTimeZone, nextOffsetChange, offsetAt, repetitionEnd } from './time-zone.js'

/** The parts of a trigger that have fire times. */
export type TimedTrigger =
  | { kind: 'cron'; expression: string; timeZone: string }
  | { kind: 'interval'; everyMs: number; startAt?: string | undefined }
  | { kind: 'once'; at: string }
  | { kind: 'manual' }
  | { kind: 'after' }

/** Says what is wrong with a cron expression (5 or 6 fields) or its time zone; undefined when both are right and it fires at least once. */
export function cronProblem(expression: string, timeZone: string): { field: 'expression' | 'timeZone'; message: string } | undefined {
  if (!isTimeZone(timeZone)) return { field: 'timeZone', message: `"${timeZone}" is not an IANA time zone such as Europe/Berlin` }
  const fields = expression.trim().split(/\s+/).length
  if (fields !== 5 && fields !== 6)
    return { field: 'expression', message: `has ${fields} fields; write 5 (minute hour day month weekday) or 6 with seconds first` }
  try {
    if (cronOf(expression).nextWall(0) === undefined) return { field: 'expression', message: 'never fires' }
  } catch (error) {
    return { field: 'expression', message: wrongField(expression) ?? (error instanceof Error ? error.message : String(error)) }
  }
  return undefined
}

/** What may be in each field, beside `*`, lists, ranges and steps. */
const CRON_FIELDS = [
  ['second', '0-59'],
  ['minute', '0-59'],
  ['hour', '0-23'],
  ['day', '1-31, L'],
  ['month', '1-12, JAN-DEC'],
  ['weekday', '0-7, SUN-SAT'],
] as const

/** Names the first field that is wrong by itself: croner's own messages count days and months from 0, and are not made for users. */
function wrongField(expression: string): string | undefined {
  const parts = expression.trim().split(/\s+/)
  const names = CRON_FIELDS.slice(-parts.length)
  for (const [index, [name, allowed]] of names.entries()) {
    const part = parts[index] ?? ''
    try {
      parse(names.map((_, at) => (at === index ? part : '*')).join(' '))
    } catch {
      return `the field ${name} cannot be "${part}": write *, or values of ${allowed}, lists as 1,3, ranges as 1-5, steps as */10`
    }
  }
  return undefined
}

/**
 * The first fire time strictly after `after` (ms since epoch), or undefined when there is none.
 *
 * Cron follows the wall clock of its zone. Where the clock is put forward or back:
 * - A job of certain hours (at 2:30, every 10 minutes from 1 to 3, every second hour) fires once for each time of the wall clock: a time that is skipped fires
 *   at the first moment after the gap (several of them together, once), a time that comes twice fires the first time only.
 * - A job of every hour (every 15 minutes, hourly, every second) goes by time elapsed: it fires in both passes of a repeated hour, for else it would stop for that
 *   hour; skipped times are not made up for, since it fires right after them anyway.
 * Croner finds the matching wall-clock times; the zone is applied here, because croner (11.0.1) leaves out or doubles the times of lists, ranges and steps, and
 * loses those in a gap that ends at midnight (America/Nuuk).
 *
 * Intervals are fixed-rate: `anchor` + k × everyMs, where the anchor is `startAt` or the time at which the trigger was set, so lateness never accumulates.
 */
export function nextFireAfter(trigger: TimedTrigger, after: number, anchor: number): number | undefined {
  switch (trigger.kind) {
    case 'cron':
      return nextCronTime(cronOf(trigger.expression), trigger.timeZone, after)
    case 'interval': {
      const start = trigger.startAt === undefined ? anchor : Date.parse(trigger.startAt)
      if (after < start) return start
      return start + (Math.floor((after - start) / trigger.everyMs) + 1) * trigger.everyMs
    }
    case 'once': {
      const at = Date.parse(trigger.at)
      return at > after ? at : undefined
    }
    case 'manual':
    case 'after':
      return undefined
  }
}

/** The fire times in (after, until], at most `limit` of them, in order. */
export function fireTimesBetween(trigger: TimedTrigger, after: number, until: number, anchor: number, limit: number): number[] {
  const times: number[] = []
  let next = nextFireAfter(trigger, after, anchor)
  while (next !== undefined && next <= until && times.length < limit) {
    times.push(next)
    next = nextFireAfter(trigger, next, anchor)
  }
  return times
}

/** Walks through the stretches of constant offset; in each, wall-clock time is UTC plus the offset. `wall` excludes what was already passed. */
function nextCronTime(cron: ParsedCron, timeZone: string, after: number): number | undefined {
  let from = after
  let offset = offsetAt(timeZone, from)
  let wall = from + offset
  const repeatedUntil = repetitionEnd(timeZone, from, offset)
  if (repeatedUntil !== undefined && !cron.isEveryHour()) wall = repeatedUntil - 1
  for (;;) {
    const match = cron.nextWall(wall)
    if (match === undefined) return undefined
    const change = nextOffsetChange(timeZone, from, match - offset)
    if (change === undefined) return match - offset
    const nextOffset = offsetAt(timeZone, change)
    const isEveryHour = cron.isEveryHour()
    const isSkipped = match < change + nextOffset
    if (isSkipped && !isEveryHour) return change
    wall = change + (isEveryHour ? nextOffset : Math.max(offset, nextOffset)) - 1
    from = change
    offset = nextOffset
  }
}

type ParsedCron = {
  /** Asked only where the clock changes, for it means parsing once more. */
  isEveryHour: () => boolean
  /** The first matching wall-clock time after `wall`, both as ms as if they were UTC. */
  nextWall: (wall: number) => number | undefined
}

/**
 * Only the last one is kept, for those who ask on and on about one trigger: parsing takes 20 µs, but a parsed expression 80 KB (croner's table of years), and a
 * cache of many costs more in garbage collection than it saves.
 */
let last: { expression: string; cron: ParsedCron } | undefined

function cronOf(expression: string): ParsedCron {
  if (last?.expression !== expression) last = { expression, cron: parse(expression) }
  return last.cron
}

function parse(expression: string): ParsedCron {
  const cron = new Cron(expression, { utcOffset: 0, paused: true, mode: '5-or-6-parts' })
  return {
    isEveryHour: () => new CronPattern(expression).hour.every((hour) => hour === 1),
    nextWall: (wall) => cron.nextRun(new Date(wall))?.getTime(),
  }
}
