import { z } from 'zod'
import { type AttemptKey, attemptKeyString, parseAttemptKey } from '@jobtrail/protocol/domain/attempt-key'

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

/** IDs of the BullMQ jobs that attempts of one route share when they are queued at once. An attempt with a job of its own, which is named by its key, is left out. */
export function sharedJobs<T extends { key: AttemptKey; priority: number; dueAt: number }>(attempts: readonly T[]): Map<T, string> {
  const shared = groupQueued(attempts).filter((group) => group.length > 1)
  return new Map(shared.flatMap((group) => group.map((attempt) => [attempt, sharedJobId(group.map(({ key }) => key))] as const)))
}

/** Named by its first attempt and how many more. */
function sharedJobId(keys: readonly AttemptKey[]): string {
  const [first] = keys
  if (first === undefined) throw new RangeError('A BullMQ job needs an attempt')
  return `${attemptKeyString(first)}+${keys.length - 1}`
}
