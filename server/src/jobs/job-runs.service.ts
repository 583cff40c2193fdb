import { Injectable } from '@nestjs/common'
import type { RunJob } from '@jobtrail/shared/api/jobs'
import { AuditService } from '../audit/audit.service.js'
import { Principal } from '../auth/principal.js'
import { InstancesService } from '../instances/instances.service.js'
import { Clock } from '../platform/clock.js'
import { instanceJobOf } from './domain/job.js'
import { JobsService } from './jobs.service.js'

/** Runs jobs on request. A disabled job can be run too: disabling stops its trigger. */
@Injectable()
export class JobRunsService {
  constructor(
    private readonly jobs: JobsService,
    private readonly instances: InstancesService,
    private readonly audit: AuditService,
    private readonly clock: Clock,
  ) {}

  /** In the order of `runs`. `created` is false where the job has an instance with the idempotency key already: the answer names that one. */
  async run(principal: Principal, jobId: string, runs: RunJob[]): Promise<{ instanceId: string; created: boolean }[]> {
    const job = await this.jobs.requireJob(principal, jobId, 'operator')
    const now = this.clock.now()
    const instanceJob = instanceJobOf(job)
    const cause = { kind: 'api' as const, by: principal.name }
    const results = await this.instances.createMany(
      runs.map(({ params, delayMs, idempotencyKey }) => ({
        job: instanceJob,
        params: params === undefined ? job.params : { ...job.params, ...params },
        cause,
        scheduledFor: null,
        dueAt: now + delayMs,
        idempotencyKey,
      })),
    )
    const created = results.filter((result) => result.created)
    const [first] = created
    if (first !== undefined) {
      const details = { instances: created.length, firstInstanceId: first.instanceId }
      await this.audit.record({ principal, action: 'job.run', namespace: job.namespace, target: { kind: 'job', id: job._id, name: job.name }, details })
    }
    return results
  }
}
