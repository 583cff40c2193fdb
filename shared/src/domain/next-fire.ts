import { Cron } from 'croner'

/** The parts of a trigger that have fire times. */
export type TimedTrigger =
  | { kind: 'cron'; expression: string; timeZone: string }
  | { kind: 'interval'; everyMs: number; startAt?: string | undefined }
  | { kind: 'once'; at: string }
  | { kind: 'manual' }

/** Says what is wrong with a cron expression (5 or 6 fields) or its time zone; undefined when both are right and it fires at least once. */
export function cronProblem(expression: string, timeZone: string): { field: 'expression' | 'timeZone'; message: string } | undefined {
  if (!isTimeZone(timeZone)) return { field: 'timeZone', message: `"${timeZone}" is not an IANA time zone such as Europe/Berlin` }
  const fields = expression.trim().split(/\s+/).length
  if (fields !== 5 && fields !== 6) return { field: 'expression', message: `has ${fields} fields; write 5 (minute hour day month weekday) or 6 with seconds first` }
  try {
    if (parseCron(expression, timeZone).nextRun() === null) return { field: 'expression', message: 'never fires' }
  } catch (error) {
    return { field: 'expression', message: error instanceof Error ? error.message : String(error) }
  }
  return undefined
}

/**
 * The first fire time strictly after `after` (ms since epoch), or undefined when there is none.
 * Cron follows the wall clock of its zone: a time that DST skips fires at the first moment after the gap, a time that DST repeats fires once (croner's rules).
 * Intervals are fixed-rate: `anchor` + k × everyMs, where the anchor is `startAt` or the time of creation, so lateness never accumulates.
 */
export function nextFireAfter(trigger: TimedTrigger, after: number, anchor: number): number | undefined {
  switch (trigger.kind) {
    case 'cron':
      return parseCron(trigger.expression, trigger.timeZone).nextRun(new Date(after))?.getTime()
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

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

function parseCron(expression: string, timeZone: string): Cron {
  return new Cron(expression, { timezone: timeZone, paused: true })
}
