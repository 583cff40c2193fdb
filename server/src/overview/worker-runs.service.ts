import { Injectable } from '@nestjs/common'
import type { WorkerRuns } from '@jobtrail/shared/api/overview'
import { NotFoundError } from '@jobtrail/shared/domain/errors'
import type { Principal } from '../auth/principal.js'
import { AttemptsRepository } from '../engine/attempts.repository.js'
import { InstancesRepository } from '../engine/instances.repository.js'
import { WorkersRepository } from '../workers/workers.repository.js'

/** What a worker runs now. */
@Injectable()
export class WorkerRunsService {
  constructor(
    private readonly workers: WorkersRepository,
    private readonly attempts: AttemptsRepository,
    private readonly instances: InstancesRepository,
  ) {}

  async list(principal: Principal, workerId: string): Promise<WorkerRuns> {
    const [worker] = await this.workers.list({ _id: workerId, ...principal.namespaceFilter() }, 1)
    if (worker === undefined) throw new NotFoundError('worker', workerId)
    const attempts = await this.attempts.findLeasedBy(workerId)
    const instances = new Map((await this.instances.findMany(attempts.map(({ _id }) => _id.instance))).map((instance) => [instance._id, instance]))
    const items = attempts.flatMap(({ _id, status, dispatchedAt, startedAt }) => {
      const instance = instances.get(_id.instance)
      if (instance === undefined) return []
      const { jobId, jobName } = instance
      return [
        {
          instanceId: _id.instance,
          task: _id.task,
          attempt: _id.attempt,
          jobId,
          jobName,
          status,
          dispatchedAt: dispatchedAt.toISOString(),
          startedAt: startedAt?.toISOString() ?? null,
        },
      ]
    })
    return { items: items.toSorted((a, b) => a.dispatchedAt.localeCompare(b.dispatchedAt)) }
  }
}
