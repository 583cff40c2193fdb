import type { JobDraft } from './job-draft'

type Ordered = { id?: string | undefined; trigger: JobDraft['trigger'] }

/** The job that one with this trigger runs after. */
export const upstreamOf = (trigger: JobDraft['trigger']): string | undefined => (trigger.kind === 'after' ? trigger.job : undefined)

/** So that each job comes behind the one that it runs after, where that is among them. */
export function upstreamFirst<T>(jobs: readonly T[], look: (job: T) => Ordered): T[] {
  const upstreams = new Map(jobs.map((job) => [look(job).id, upstreamOf(look(job).trigger)]))
  const depthOf = (job: T): number => {
    let depth = 0
    // A file may say a circle: the server refuses that.
    for (let at = upstreamOf(look(job).trigger); at !== undefined && upstreams.has(at) && depth <= jobs.length; at = upstreams.get(at)) depth++
    return depth
  }
  return jobs
    .map((job) => ({ job, depth: depthOf(job) }))
    .toSorted((a, b) => a.depth - b.depth)
    .map(({ job }) => job)
}

/** The draft with the new ID of the job that it runs after, where that was just made from the same file. */
export function withNewUpstream(draft: JobDraft, newIds: ReadonlyMap<string, string>): JobDraft {
  const { trigger } = draft
  const job = trigger.kind === 'after' ? newIds.get(trigger.job) : undefined
  return trigger.kind === 'after' && job !== undefined ? { ...draft, trigger: { ...trigger, job } } : draft
}
