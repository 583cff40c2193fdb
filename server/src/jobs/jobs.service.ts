import { Injectable } from '@nestjs/common'
import type { ClientSession } from 'mongodb'
import { v7 as uuidv7 } from 'uuid'
import type { Role } from '@jobtrail/shared/api/auth'
import type { ChangeJob, CreateJob, CreateJobBulk, JobDefinition, JobsCreated, JobView } from '@jobtrail/shared/api/jobs'
import { AppError, type FieldError, NotFoundError, ValidationError } from '@jobtrail/shared/domain/errors'
import { type AuditEntry, AuditService } from '../audit/audit.service.js'
import { NamespacesService } from '../auth/namespaces/namespaces.service.js'
import { Principal } from '../rights/principal.js'
import { Batcher } from '../platform/batcher.js'
import { Clock } from '../platform/clock.js'
import { KeyedTurns } from '../platform/keyed-turns.js'
import { isDuplicateKey, Mongo } from '../platform/mongo.js'
import { AfterLinks } from './after-links.service.js'
import { applyChange, changedMembers } from './domain/change.js'
import { firstFireState, fireStateAfter } from './domain/fire-state.js'
import { definitionOf, type JobDocument, jobView, revisionOf } from './domain/job.js'
import { paramsProblem, processProblem } from './domain/run-params.js'
import { JobRevisionsRepository } from './job-revisions.repository.js'
import { JobsRepository } from './jobs.repository.js'
import { RemovedJobsRepository } from './removed-jobs.repository.js'
import { SecretBox } from './secret-box.service.js'

/**
 * Defines jobs. A change, the revision that it makes and its audit record are stored together or not at all.
 * What was already stored when a job is changed or disabled stays: instances that wait run with the revision they were made from (that includes fire times
 * of the next 2 s, which the scheduler may have stored ahead); whoever does not want them cancels them. Those of a removed job are cancelled by `JobRemovalService`.
 */
@Injectable()
export class JobsService {
  private readonly loads = new Batcher<string, JobDocument | undefined>({ write: (ids) => this.load(ids), maxItems: 500, maxInFlight: 4, minBeside: 64 })

  /** By namespace, which each of them writes to. */
  private readonly creations = new KeyedTurns()

  constructor(
    private readonly mongo: Mongo,
    private readonly jobs: JobsRepository,
    private readonly revisionsRepository: JobRevisionsRepository,
    private readonly removed: RemovedJobsRepository,
    private readonly links: AfterLinks,
    private readonly secrets: SecretBox,
    private readonly namespaces: NamespacesService,
    private readonly audit: AuditService,
    private readonly clock: Clock,
  ) {}

  async create(principal: Principal, { namespace, ...definition }: CreateJob): Promise<JobView> {
    principal.require(namespace, 'admin', 'namespace', namespace)
    requireRunnable(definition)
    const job = this.newJob(principal, namespace, definition)
    await this.nameTakenAs(definition.name, () => this.insert(principal, namespace, [job], () => ''))
    return jobView(job)
  }

  /** All of them or none; an error names each job at fault by its place. */
  async createMany(principal: Principal, { namespace, jobs: definitions }: CreateJobBulk): Promise<JobsCreated> {
    principal.require(namespace, 'admin', 'namespace', namespace)
    const problems = definitions.flatMap((definition, i) => problemOf(definition, `jobs[${i}].`) ?? [])
    if (problems.length > 0) throw new AppError('VALIDATION_FAILED', `${problems.length} of ${definitions.length} jobs cannot run`, { fields: problems })
    const names = definitions.map(({ name }) => name)
    requireFree(names, (name, i) => names.indexOf(name) < i, 'is the name of an earlier job in the same call')
    const jobs = definitions.map((definition) => this.newJob(principal, namespace, definition))
    try {
      await this.insert(principal, namespace, jobs, (i) => `jobs[${i}].`)
    } catch (error) {
      if (!isDuplicateKey(error)) throw error
      const taken = await this.jobs.namesTaken(namespace, names)
      requireFree(names, (name) => taken.has(name), 'is taken in this namespace', error)
      // The job that had the name was removed meanwhile.
      throw new AppError('CONFLICT', 'Jobs of the namespace changed at the same time; try again', { cause: error })
    }
    return { jobIds: jobs.map(({ _id }) => _id) }
  }

  /** Throws AppError STALE_REVISION, with the present job as `current`, unless the change is based on its present revision. */
  change(principal: Principal, id: string, { revision, ...change }: ChangeJob): Promise<JobView> {
    return this.update(principal, id, 'job.change', (current) => {
      if (current.revision !== revision)
        throw new AppError('STALE_REVISION', `Job ${id} is at revision ${current.revision}, the change is based on ${revision}`, { current: jobView(current) })
      return applyChange(current, change)
    })
  }

  /** Does nothing when the job is so already. */
  setEnabled(principal: Principal, id: string, enabled: boolean): Promise<JobView> {
    return this.update(principal, id, enabled ? 'job.enable' : 'job.disable', (current) => applyChange(current, { enabled }))
  }

  /** Its revisions stay, for its instances. `JobRemovalService` does the rest. */
  async remove(principal: Principal, id: string): Promise<void> {
    await this.mongo.transaction(async (session) => {
      const job = await this.requireStored(principal, id, 'admin', session)
      await this.links.requireNoFollowers(job, session)
      await this.jobs.remove(id, session)
      await this.links.removed(job, session)
      await this.removed.insert({ _id: id, removedAt: this.clock.date() }, session)
      await this.record(principal, 'job.remove', job, { revision: job.revision }, session)
    })
  }

  /** The job, if the principal may see it and has the role; otherwise NotFoundError or ForbiddenError. Calls of the same moment share one query. It holds the secrets, sealed. */
  async requireJob(principal: Principal, id: string, role: Role): Promise<JobDocument> {
    return checked(principal, id, role, await this.loads.add(id))
  }

  private update(principal: Principal, id: string, action: string, next: (current: JobDocument) => JobDefinition): Promise<JobView> {
    let name = ''
    return this.nameTakenAs(
      () => name,
      () =>
        this.mongo.transaction(async (session) => {
          const current = await this.requireStored(principal, id, 'admin', session)
          const wanted = next(current)
          const definition = { ...wanted, secrets: this.secrets.seal(id, wanted.secrets, current.secrets) }
          name = definition.name
          const changed = changedMembers(current, definition)
          if (changed.length === 0) return jobView(current)
          // A job of a former version may be enabled and disabled as it is.
          if (changed.some((member) => REACHES_PROCESS.includes(member))) requireRunnable(definition)
          const now = this.clock.now()
          const job: JobDocument = {
            ...current,
            ...definition,
            ...fireStateAfter(current, definition, now),
            revision: current.revision + 1,
            updatedAt: new Date(now),
            updatedBy: principal.name,
          }
          // Read and written in one transaction: whoever else changed it meanwhile made this one start again.
          if (!(await this.jobs.replace(job, current.revision, session))) throw new AppError('CONFLICT', `Job ${id} was changed at the same time; try again`)
          await this.links.changed(current, job, session)
          await this.revisionsRepository.insert([revisionOf(job)], session)
          await this.record(principal, action, job, { revision: job.revision, changed }, session)
          return jobView(job)
        }),
    )
  }

  private newJob(principal: Principal, namespace: string, definition: JobDefinition): JobDocument {
    const now = this.clock.now()
    const at = new Date(now)
    const id = uuidv7()
    return {
      _id: id,
      namespace,
      revision: 1,
      ...definitionOf(definition),
      secrets: this.secrets.seal(id, definition.secrets),
      ...firstFireState(definition, now),
      createdAt: at,
      updatedAt: at,
      createdBy: principal.name,
      updatedBy: principal.name,
    }
  }

  /** New jobs of a namespace, with their revisions and audit records. `placeOf`: where the definition of each is in the request. */
  private insert(principal: Principal, namespace: string, jobs: readonly JobDocument[], placeOf: (index: number) => string): Promise<void> {
    const entries = jobs.map((job) => auditEntry(principal, 'job.create', job, { revision: 1 }))
    return this.creations.take(namespace, () =>
      this.mongo.transaction(async (session) => {
        await this.namespaces.addTo(namespace, session)
        await this.jobs.insert(jobs, session)
        await this.links.created(jobs, placeOf, session)
        await this.revisionsRepository.insert(jobs.map(revisionOf), session)
        await this.audit.recordAll(entries, session)
      }),
    )
  }

  private async requireStored(principal: Principal, id: string, role: Role, session: ClientSession): Promise<JobDocument> {
    return checked(principal, id, role, (await this.jobs.findById(id, session)) ?? undefined)
  }

  private async load(ids: string[]): Promise<(JobDocument | undefined)[]> {
    const found = new Map((await this.jobs.findMany([...new Set(ids)])).map((job) => [job._id, job]))
    return ids.map((id) => found.get(id))
  }

  private async record(principal: Principal, action: string, job: JobDocument, details: Record<string, unknown>, session: ClientSession): Promise<void> {
    await this.audit.record(auditEntry(principal, action, job, details), session)
  }

  private async nameTakenAs<T>(name: string | (() => string), work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      if (!isDuplicateKey(cause)) throw cause
      const taken = typeof name === 'string' ? name : name()
      throw new AppError('NAME_TAKEN', `The namespace has another job named ${taken}`, {
        cause,
        fields: [{ path: 'name', message: 'is taken in this namespace' }],
      })
    }
  }
}

function checked(principal: Principal, id: string, role: Role, job: JobDocument | undefined): JobDocument {
  if (job === undefined) throw new NotFoundError('job', id)
  principal.require(job.namespace, role, 'job', id)
  return job
}

const REACHES_PROCESS: readonly string[] = ['params', 'processor', 'secrets']

function auditEntry(principal: Principal, action: string, job: JobDocument, details: Record<string, unknown>): AuditEntry {
  return { principal, action, namespace: job.namespace, target: { kind: 'job', id: job._id, name: job.name }, details }
}

/** What of a definition could not reach a process; `prefix` leads to the definition in what was sent. */
function problemOf(definition: JobDefinition, prefix = ''): FieldError | undefined {
  const problem = processProblem(definition) ?? paramsProblem(definition.params, definition.processor)
  return problem === undefined ? undefined : { path: `${prefix}${problem.path}`, message: problem.message }
}

function requireRunnable(definition: JobDefinition): void {
  const problem = problemOf(definition)
  if (problem !== undefined) throw new ValidationError(problem.path, problem.message)
}

/** Throws AppError NAME_TAKEN with each name that is not free. */
function requireFree(names: readonly string[], isTaken: (name: string, index: number) => boolean, message: string, cause?: unknown): void {
  const fields = names.flatMap((name, i) => (isTaken(name, i) ? [{ path: `jobs[${i}].name`, message }] : []))
  if (fields.length > 0) throw new AppError('NAME_TAKEN', `${fields.length} of ${names.length} jobs have names that are taken`, { fields, cause })
}
