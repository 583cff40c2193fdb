import { z } from 'zod'

/** What everything about one try is keyed by: `attempt` (from 1) is the fencing token, `task` is 0 for a plain instance. */
export const AttemptKey = z.object({
  instanceId: z.uuid(),
  task: z.int().min(0).max(1_000_000),
  attempt: z.int().min(1).max(1_000_000),
})
export type AttemptKey = z.infer<typeof AttemptKey>

/** A string form for maps, file names and BullMQ job IDs: no colon, which BullMQ refuses. */
export const attemptKeyString = (key: AttemptKey): string => `${key.instanceId}_${key.task}_${key.attempt}`

/** The inverse of {@link attemptKeyString}; undefined for anything else. */
export function parseAttemptKey(text: string): AttemptKey | undefined {
  const [instanceId, task, attempt, ...rest] = text.split('_')
  if (rest.length > 0) return undefined
  const parsed = AttemptKey.safeParse({ instanceId, task: Number(task), attempt: Number(attempt) })
  return parsed.success ? parsed.data : undefined
}

export const sameAttempt = (a: AttemptKey, b: AttemptKey): boolean => a.instanceId === b.instanceId && a.task === b.task && a.attempt === b.attempt
