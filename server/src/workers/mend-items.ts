import { z } from 'zod'
import { withNote } from '@jobtrail/protocol/wire/attempt-result'
import { AttemptEnd, type ReportedEnd, Started } from '@jobtrail/protocol/wire/worker'
import { FINISHED_STATUSES } from '@jobtrail/protocol/domain/statuses'
import { StreamTotals } from '@jobtrail/protocol/log/chunk'

/** A time that cannot be read counts as now: no start and no end is believed to be in the future. */
const MendedStart = Started.shape.attempts.element.extend({ startedAt: z.unknown().transform(() => Number.MAX_SAFE_INTEGER) })
const MendedEnd = AttemptEnd.extend({
  status: z.enum(FINISHED_STATUSES).catch('FAILED'),
  result: z.unknown().default(null),
  log: StreamTotals.nullable().catch(null),
})

type StartedItem = Started['attempts'][number]

/** The start meant by an item that cannot be read whole, if its key can be: the attempt did start. */
export function mendStart(item: unknown): StartedItem | undefined {
  const { data } = MendedStart.safeParse(item)
  return data
}

/**
 * The end meant by an item that cannot be read whole, if its key can be: nothing of the attempt runs any more, so it must not stay RUNNING. It has FAILED where nobody can read how it ended.
 * `error` says what was wrong.
 */
export function mendEnd(item: unknown, problem: string): ReportedEnd | undefined {
  const { data } = MendedEnd.safeParse(item)
  return data === undefined ? undefined : { ...data, error: withNote(data.error, `The worker's report of the end could not be read whole: ${problem}`) }
}
