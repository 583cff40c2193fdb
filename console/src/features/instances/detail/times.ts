import type { InstanceDetail } from '@jobtrail/api/instances'

type Run = Pick<InstanceDetail, 'attempts' | 'scheduledFor' | 'dueAt' | 'createdAt'>

/** When the first attempt was due. `dueAt` is that of the attempt to come: a retry moves it. */
export function firstDueAt({ attempts, scheduledFor, dueAt, createdAt }: Run): string {
  if (scheduledFor !== null) return scheduledFor
  const first = attempts[0]
  return first === undefined || dueAt <= first.dispatchedAt ? dueAt : createdAt
}

/** How long its attempts have run, without the waits between them. */
export const runningMs = ({ attempts }: Run, now: number): number =>
  attempts.reduce(
    (sum, { startedAt, dispatchedAt, finishedAt }) =>
      sum + Math.max(0, (finishedAt === null ? now : Date.parse(finishedAt)) - Date.parse(startedAt ?? dispatchedAt)),
    0,
  )
