import type { Retention } from '@jobtrail/api/auth'
import { type InstanceStatus, isFinalInstance } from '@jobtrail/protocol/domain/statuses'

export const DAY_MS = 86_400_000

/** What is to be removed of a run now: all of it, its logs only, or nothing yet. Counted from its end, whenever it was made. */
export function dueOf(
  run: { status: InstanceStatus; finishedAt: Date | null },
  { runsDays, logsDays }: Pick<Retention, 'runsDays' | 'logsDays'>,
  now: number,
): 'run' | 'logs' | 'nothing' {
  if (!isFinalInstance(run.status) || run.finishedAt === null) return 'nothing'
  const age = now - run.finishedAt.getTime()
  if (runsDays !== null && age > runsDays * DAY_MS) return 'run'
  return logsDays !== null && age > logsDays * DAY_MS ? 'logs' : 'nothing'
}

/** How far the walks over a namespace's runs have come: the greatest ID that each has passed; empty before the first. */
export type Progress = { runs: string; logs: string }

/** Whether a run that is still there would be forgotten unless it is looked at again: a walk has passed it. Also while things are kept for ever, which may be for a time only. */
export function isToRevisit(id: string, areLogsDone: boolean, passed: Progress): boolean {
  return id <= passed.runs || (!areLogsDone && id <= passed.logs)
}

/** The first of the runs, as many as have `most` attempts together; one in any case. A run may have been retried a hundred times. */
export function firstUpTo<T extends { attempt: number }>(runs: readonly T[], most: number): T[] {
  let attempts = 0
  return runs.filter(({ attempt }, i) => (attempts += attempt) <= most || i === 0)
}
