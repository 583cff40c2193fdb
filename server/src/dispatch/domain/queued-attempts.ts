import { z } from 'zod'
import { type AttemptKey, attemptKeyString, parseAttemptKey } from '@jobtrail/shared/domain/attempt-key'

/** The most attempts in one BullMQ job. */
export const MAX_GROUP = 25
/** Of attempts that are queued at once, a job has at most this part: so that servers and workers share them evenly. */
const MIN_GROUPS = 40

/** The data of a BullMQ job: keys of the attempts to place. */
export const QueuedAttempts = z.object({ attempts: z.array(z.string()).min(1) })
export type QueuedAttempts = z.infer<typeof QueuedAttempts>

/** The attempts in a BullMQ job's data; undefined when it is not ours. */
export function parseQueued(data: unknown): AttemptKey[] | undefined {
  const parsed = QueuedAttempts.safeParse(data)
  if (!parsed.success) return undefined
  const keys = parsed.data.attempts.map(parseAttemptKey)
  return keys.every((key) => key !== undefined) ? keys : undefined
}

/** Attempts of one route that are queued at once, as they share BullMQ jobs: in their order, and only with those of the same priority and time. */
export function groupQueued<T extends { priority: number; dueAt: number }>(attempts: readonly T[]): T[][] {
  const size = Math.min(MAX_GROUP, Math.max(1, Math.floor(attempts.length / MIN_GROUPS)))
  const groups: T[][] = []
  const open = new Map<string, T[]>()
  for (const attempt of attempts) {
    const alike = `${attempt.priority} ${attempt.dueAt}`
    const group = open.get(alike)
    if (group !== undefined && group.length < size) group.push(attempt)
    else {
      const fresh = [attempt]
      groups.push(fresh)
      open.set(alike, fresh)
    }
  }
  return groups
}

/** The ID of a BullMQ job: of a single attempt its key, so that it is queued once however often it is added. */
export function jobIdOf(keys: readonly AttemptKey[]): string {
  const [first] = keys
  if (first === undefined) throw new RangeError('A BullMQ job needs an attempt')
  return keys.length === 1 ? attemptKeyString(first) : `${attemptKeyString(first)}+${keys.length - 1}`
}
