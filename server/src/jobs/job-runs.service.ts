import { Injectable } from '@nestjs/common'
import type { RunJob } from '@jobtrail/shared/api/jobs'
import { Principal } from '../auth/principal.js'
import { InstancesService } from '../instances/instances.service.js'
import { Clock } from '../platform/clock.js'
import { instanceJobOf } from './domain/job.js'
import { JobsService } from './jobs.service.js'

/**
 * Runs jobs on request. A disabled job can be run too: disabling stops its trigger. The instance itself records who asked for it and when, so that there is no audit
 * record besides.
 */
@Injectable()
export class JobRunsService {
  constructor(
    private readonly jobs: JobsService,
    private readonly instances: InstancesService,
    private readonly clock: Clock,
  ) {}

  /** In the order of `runs`. `created` is false where the job has an instance with the idempotency key already: the answer names that one. */
  async run(principal: Principal, jobId: string, runs: RunJob[]): Promise<{ instanceId: string; created: boolean }[]> {
    const job = await this.jobs.requireJob(principal, jobId, 'operator')
    const now = this.clock.now()
    const instanceJob = instanceJobOf(job)
    const cause = { kind: 'api' as const, by: principal.name }
    return this.instances.createMany(
      runs.map(({ params, delayMs, idempotencyKey }) => ({
        job: instanceJob,
        params: params === undefined ? job.params : { ...job.params, ...params },
        cause,
        scheduledFor: null,
        dueAt: now + delayMs,
        idempotencyKey,
      })),
    )
  }
}
