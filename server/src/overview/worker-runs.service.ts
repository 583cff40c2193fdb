import { Injectable } from '@nestjs/common'
import type { WorkerRuns } from '@jobtrail/api/overview'
import { NotFoundError } from '@jobtrail/protocol/domain/errors'
import { InstanceReads } from '../engine/instance-reads.service.js'
import type { Principal } from '../rights/principal.js'
import { WorkerDirectory } from '../workers/worker-directory.js'

/** What a worker runs now. */
@Injectable()
export class WorkerRunsService {
  constructor(
    private readonly workers: WorkerDirectory,
    private readonly instances: InstanceReads,
  ) {}

  async list(principal: Principal, workerId: string): Promise<WorkerRuns> {
    if (!(await this.workers.isVisible(principal, workerId))) throw new NotFoundError('worker', workerId)
    const held = await this.instances.heldBy(workerId)
    const items = held.map(({ attempt: { _id, status, dispatchedAt, startedAt }, instance: { jobId, jobName } }) => ({
      instanceId: _id.instance,
      task: _id.task,
      attempt: _id.attempt,
      jobId,
      jobName,
      status,
      dispatchedAt: dispatchedAt.toISOString(),
      startedAt: startedAt?.toISOString() ?? null,
    }))
    return { items: items.toSorted((a, b) => a.dispatchedAt.localeCompare(b.dispatchedAt)) }
  }
}
