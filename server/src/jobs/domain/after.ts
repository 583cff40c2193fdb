import type { AfterTrigger, Trigger } from '@jobtrail/shared/api/jobs'
import { isAwaitedEnd } from '@jobtrail/shared/domain/statuses'
import type { NewInstance } from '../../engine/domain/new-instance.js'
import type { EndedRun } from '../../engine/ports/outcome-consumers.js'
import { groupBy } from '../../platform/group-by.js'
import { type InstanceSource, instanceJobOf, type JobDocument } from './job.js'

/** A job that runs after another one: what its runs are made from. */
export type Follower = InstanceSource & Pick<JobDocument, 'params'> & { trigger: AfterTrigger }

export const upstreamOf = ({ trigger }: { trigger: Trigger }): string | undefined => (trigger.kind === 'after' ? trigger.job : undefined)

/** The runs that follow from ended ones, each with a key by which it is made only once. */
export function followingRuns(ended: readonly EndedRun[], followers: readonly Follower[], now: number): NewInstance[] {
  const byUpstream = groupBy(followers, ({ trigger }) => trigger.job)
  return ended.flatMap((run) =>
    (byUpstream.get(run.jobId) ?? [])
      .filter(({ namespace, trigger }) => namespace === run.namespace && isAwaitedEnd(trigger.on, run.status))
      .map((follower) => ({
        job: instanceJobOf(follower),
        params: follower.params,
        cause: { kind: 'after' as const, by: null, after: { jobId: run.jobId, jobName: run.jobName, instanceId: run._id } },
        scheduledFor: null,
        dueAt: now,
        // Unique together with the follower's ID.
        idempotencyKey: `after:${run._id}`,
      })),
  )
}
