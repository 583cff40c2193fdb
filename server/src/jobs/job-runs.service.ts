import { createHash } from 'node:crypto'
import { Injectable } from '@nestjs/common'
import type { RunJob } from '@jobtrail/api/jobs'
import { AppError } from '@jobtrail/protocol/domain/errors'
import { mergeObjects, stringifyExact } from '@jobtrail/api/exact-json'
import { AuditService } from '../audit/audit.service.js'
import { Principal } from '../rights/principal.js'
import type { NewInstance } from '../engine/domain/new-instance.js'
import { InstancesService } from '../engine/instances.service.js'
import { Clock } from '../platform/clock.js'
import { instanceJobOf } from './domain/job.js'
import { paramsProblem } from './domain/run-params.js'
import { JobsService } from './jobs.service.js'

const MAX_FAULTS = 50

/** Runs jobs on request. A disabled job can be run too: disabling stops its trigger. */
@Injectable()
export class JobRunsService {
  constructor(
    private readonly jobs: JobsService,
    private readonly instances: InstancesService,
    private readonly audit: AuditService,
    private readonly clock: Clock,
  ) {}

  /**
   * In the order of `runs`. `created` is false where the job has an instance with the idempotency key already: the answer names that one. Throws AppError CONFLICT when it
   * was asked for with other params or another delay: then none is made, unless it was taken at that very moment; the error says so. `at`: path of a run in the request.
   */
  async run(
    principal: Principal,
    jobId: string,
    runs: RunJob[],
    at: (index: number) => string = () => '',
  ): Promise<{ instanceId: string; created: boolean }[]> {
    const job = await this.jobs.requireJob(principal, jobId, 'operator')
    const now = this.clock.now()
    const instanceJob = instanceJobOf(job)
    const cause = { kind: 'api' as const, by: principal.name }
    const instances = runs.map(({ params, delayMs, idempotencyKey }): NewInstance => {
      const origin = idempotencyKey === undefined ? {} : { idempotencyKey, requestDigest: requestDigest({ params, delayMs }) }
      const merged = params === undefined ? job.params : mergeObjects(job.params, params)
      return { job: instanceJob, params: merged, cause, scheduledFor: null, dueAt: now + delayMs, ...origin }
    })
    // Those of the job alone were checked with it.
    const faults = instances.flatMap(({ params }, i) => (runs[i]?.params === undefined ? [] : (paramsProblem(params, job.processor, `${at(i)}params`) ?? [])))
    const [fault] = faults
    if (fault !== undefined) throw new AppError('VALIDATION_FAILED', `${fault.path}: ${fault.message}`, { fields: faults.slice(0, MAX_FAULTS) })
    refuseKeysUsedTwice(instances, at)
    // Of a list none is made, so that it can be asked for again; a single one finds out when it is made.
    const [used] = runs.length > 1 ? await this.instances.usedByOthers(instances) : []
    if (used !== undefined) throw otherRequest(`${at(used[0])}idempotencyKey`, used[1])
    const results = await this.instances.createMany(instances)
    const created = results.filter((result) => result.created)
    const [first] = created
    if (first !== undefined) {
      const details = { instances: created.length, firstInstanceId: first.instanceId }
      await this.audit.record({ principal, action: 'job.run', namespace: job.namespace, target: { kind: 'job', id: job._id, name: job.name }, details })
    }
    // Another request took the key after we had looked: the other runs of the list are made by now.
    const changed = results.findIndex(({ isOther }) => isOther === true)
    if (changed >= 0) throw otherRequest(`${at(changed)}idempotencyKey`, results[changed]?.instanceId, created.length)
    return results
  }
}

/** What must be the same for a request to be the same: an answer to another one would be wrong. */
function requestDigest({ params, delayMs }: Pick<RunJob, 'params' | 'delayMs'>): string {
  return createHash('sha256')
    .update(stringifyExact([params ?? {}, delayMs]))
    .digest('base64url')
}

function refuseKeysUsedTwice(instances: readonly NewInstance[], at: (index: number) => string): void {
  const digests = new Map<string, string | undefined>()
  for (const [i, { idempotencyKey, requestDigest: digest }] of instances.entries()) {
    if (idempotencyKey === undefined) continue
    if (digests.has(idempotencyKey) && digests.get(idempotencyKey) !== digest) throw otherRequest(`${at(i)}idempotencyKey`)
    digests.set(idempotencyKey, digest)
  }
}

function otherRequest(path: string, instanceId?: string, made = 0): AppError {
  const where = instanceId === undefined ? 'in this request' : `for run ${instanceId}`
  const message = `was used ${where}, with other params or another delay; give another request another key`
  const rest = made === 0 ? '' : `. ${made} other runs of this list were made: asked for again with their keys, they are not made twice`
  return new AppError('CONFLICT', `${path}: ${message}${rest}`, { fields: [{ path, message }] })
}
