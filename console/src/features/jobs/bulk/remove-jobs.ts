import type { JobView } from '@jobtrail/shared/api/jobs'
import { upstreamFirst, upstreamOf } from '../logic/job-order'

/** Removes jobs a few at a time, each behind those of them that run after it: the server refuses it before. `items` are to be begun in their order. */
export function removalOf<T extends Pick<JobView, 'id' | 'trigger'>>(
  jobs: readonly T[],
  remove: (id: string) => Promise<void>,
): { items: T[]; action: (item: { id: string }) => Promise<void> } {
  const removals = new Map<string, Promise<void>>()
  const action = ({ id }: { id: string }): Promise<void> => {
    const followers = jobs.filter(({ trigger }) => upstreamOf(trigger) === id).flatMap((job) => removals.get(job.id) ?? [])
    const removal = Promise.allSettled(followers).then(() => remove(id))
    removals.set(id, removal)
    return removal
  }
  return { items: upstreamFirst(jobs, (job) => job).toReversed(), action }
}
