import { Injectable } from '@nestjs/common'
import type { Role } from '@jobtrail/shared/api/auth'
import { type InstanceDetail, type RunStripQuery, type RunStrips, STRIP_LENGTH } from '@jobtrail/shared/api/instances'
import { AppError, NotFoundError } from '@jobtrail/shared/domain/errors'
import { canRetryInstance } from '@jobtrail/shared/domain/statuses'
import { ExactJson } from '@jobtrail/shared/json/exact-json'
import { AuditService } from '../audit/audit.service.js'
import { Principal } from '../rights/principal.js'
import { attemptKeyOf } from '../engine/attempt-document.js'
import { parseRoute } from '../engine/domain/route.js'
import { type InstanceDocument, wasClaimed } from '../engine/instance-document.js'
import { InstanceReads } from '../engine/instance-reads.service.js'
import { InstancesService } from '../engine/instances.service.js'
import { LogStreamsService } from '../logs/log-streams.service.js'
import { Clock } from '../platform/clock.js'
import { paramsOf } from '../platform/stored-json.js'
import { WorkerDirectory } from '../workers/worker-directory.js'
import { waitingReason } from './domain/waiting-reason.js'
import { attemptView, instanceView, stripRun } from './instance-views.js'

const EMPTY_LOG = { state: 'open' as const, lines: 0, bytes: 0 }

/** Shows an instance with all that belongs to it, and cancels and retries it for people: checks their rights and records what they did. */
@Injectable()
export class InstanceDetailsService {
  constructor(
    private readonly reads: InstanceReads,
    private readonly instances: InstancesService,
    private readonly streams: LogStreamsService,
    private readonly workers: WorkerDirectory,
    private readonly audit: AuditService,
    private readonly clock: Clock,
  ) {}

  async strips(principal: Principal, { jobIds }: RunStripQuery): Promise<RunStrips> {
    const strips = await this.reads.lastOfJobs([...new Set(jobIds)], principal.namespaceFilter(), STRIP_LENGTH)
    return { items: strips.filter(({ runs }) => runs.length > 0).map(({ jobId, runs }) => ({ jobId, runs: runs.map(stripRun) })) }
  }

  async detail(principal: Principal, id: string): Promise<InstanceDetail> {
    const instance = await this.require(principal, id, 'viewer')
    const attempts = (await this.reads.attemptsOf(id)).filter(({ _id }) => wasClaimed(_id, instance))
    const [logs, waitingFor] = await Promise.all([
      this.streams.summaries(attempts.map(({ _id }) => ({ ...attemptKeyOf(_id), namespace: instance.namespace, jobId: instance.jobId }))),
      instance.status === 'WAITING' ? this.waitingFor(instance) : null,
    ])
    const views = attempts.map((attempt, i) => attemptView(attempt, logs[i] ?? EMPTY_LOG))
    return {
      ...instanceView(instance),
      params: paramsOf(instance),
      result: instance.resultText === undefined ? instance.result : new ExactJson(instance.resultText),
      waitingFor,
      attempts: views,
      log: views.findLast((view) => view.attempt === instance.attempt)?.log ?? EMPTY_LOG,
    }
  }

  /** A waiting instance is CANCELLED at once; a running one when its worker has ended it. Idempotent while it is being cancelled. */
  async cancel(principal: Principal, id: string): Promise<InstanceDetail> {
    const instance = await this.require(principal, id, 'operator')
    if (!(await this.instances.cancel(id)))
      throw new AppError(
        'NOT_ALLOWED_IN_STATE',
        `Instance ${id} is ${(await this.instances.current(id))?.status ?? 'gone'}: only a waiting or running one can be cancelled`,
      )
    await this.record(principal, 'instance.cancel', instance)
    return this.detail(principal, id)
  }

  /** Another attempt of an instance that ended without success. */
  async retry(principal: Principal, id: string): Promise<InstanceDetail> {
    const instance = await this.require(principal, id, 'operator')
    if (!canRetryInstance(instance.status)) throw notRetriable(instance)
    if (!(await this.instances.retry(instance))) throw notRetriable(await this.require(principal, id, 'operator'))
    await this.record(principal, 'instance.retry', instance)
    return this.detail(principal, id)
  }

  private async waitingFor(instance: InstanceDocument): Promise<InstanceDetail['waitingFor']> {
    const route = parseRoute(instance.route)
    const [{ inGroup, able, draining }, position] = await Promise.all([this.workers.forRoute(route), this.reads.position(instance)])
    return waitingReason({
      now: this.clock.now(),
      dueAt: instance.dueAt.getTime(),
      attempt: instance.attempt,
      heldForConcurrency: instance.heldAt === null ? null : instance.maxConcurrent,
      namespace: route.namespace,
      group: route.group,
      tags: route.tags,
      handler: route.handler,
      workersInGroup: inGroup,
      ableWorkers: able,
      drainingWorkers: draining.map(({ name }) => name),
      position,
    })
  }

  private async require(principal: Principal, id: string, role: Role): Promise<InstanceDocument> {
    const document = await this.reads.find(id)
    if (document === null) throw new NotFoundError('instance', id)
    principal.require(document.namespace, role, 'instance', id)
    return document
  }

  private async record(principal: Principal, action: string, instance: InstanceDocument): Promise<void> {
    await this.audit.record({ principal, action, namespace: instance.namespace, target: { kind: 'instance', id: instance._id, name: instance.jobName } })
  }
}

const notRetriable = ({ _id, status }: InstanceDocument): AppError =>
  new AppError(
    'NOT_ALLOWED_IN_STATE',
    `Instance ${_id} is ${status}: only one that failed, timed out or was cancelled can be retried; run the job again instead`,
  )
