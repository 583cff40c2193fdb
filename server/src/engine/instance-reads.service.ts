import { Injectable } from '@nestjs/common'
import type { Filter } from 'mongodb'
import type { AttemptDocument } from './attempt-document.js'
import { AttemptsRepository } from './attempts.repository.js'
import type { InstanceDocument, StripDocument } from './instance-document.js'
import { InstancesRepository } from './instances.repository.js'
import type { LogOwner } from './ports/attempt-logs.js'

/** What people may look at of instances and attempts. For callers who have checked rights before. */
@Injectable()
export class InstanceReads {
  constructor(
    private readonly instances: InstancesRepository,
    private readonly attempts: AttemptsRepository,
  ) {}

  find(id: string): Promise<InstanceDocument | null> {
    return this.instances.look(id)
  }

  /** Newest first, without params, and without results unless they are asked for. */
  list(filter: Filter<InstanceDocument>, limit: number, { withResult = false }: { withResult?: boolean } = {}): Promise<InstanceDocument[]> {
    return this.instances.list(filter, limit, { withResult })
  }

  /** The newest `limit` of each job, newest first. */
  lastOfJobs(jobIds: string[], filter: Filter<InstanceDocument>, limit: number): Promise<{ jobId: string; runs: StripDocument[] }[]> {
    return this.instances.lastOfJobs(jobIds, filter, limit)
  }

  /** All attempts of an instance, in order. */
  attemptsOf(instanceId: string): Promise<AttemptDocument[]> {
    return this.attempts.findByInstance(instanceId)
  }

  /** Those of the instances that have an attempt which the worker was given. */
  givenTo(workerId: string, instances: readonly InstanceDocument[]): Promise<Set<string>> {
    return this.attempts.givenTo(workerId, instances)
  }

  /** What a worker runs now, with the instances. */
  async heldBy(workerId: string): Promise<{ attempt: AttemptDocument; instance: InstanceDocument }[]> {
    const attempts = await this.attempts.findLeasedBy(workerId)
    const instances = new Map((await this.instances.findMany(attempts.map(({ _id }) => _id.instance))).map((instance) => [instance._id, instance]))
    return attempts.flatMap((attempt) => {
      const instance = instances.get(attempt._id.instance)
      return instance === undefined ? [] : [{ attempt, instance }]
    })
  }

  /** Whether there is any run at all. */
  hasAny(): Promise<boolean> {
    return this.instances.isAnyStored()
  }

  /** Whose the runs are, by their IDs; those that were removed are left out. */
  ownersOf(ids: readonly string[]): Promise<Map<string, LogOwner>> {
    return this.instances.ownersOf(ids)
  }

  /** The place of a waiting instance in the queue of its route, from 1; counted up to a bound. */
  position(instance: InstanceDocument): Promise<number> {
    return this.instances.position(instance)
  }
}
