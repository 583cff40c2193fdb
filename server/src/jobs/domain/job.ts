import type { JobDefinition, JobRevisionView, JobView, Trigger } from '@jobtrail/shared/api/jobs'
import type { InstanceJob } from '../../engine/domain/new-instance.js'

/** The outcome of runs of a job that others run after. */
export const AFTER = 'after'

/** A job as stored: its present definition, with its secrets sealed, and when it fires next. */
export type JobDocument = JobDefinition & {
  _id: string
  namespace: string
  revision: number
  /** Null while disabled, and when no fire time is left. */
  nextFireAt: Date | null
  /** What an interval without `startAt` counts from: when the trigger was set. */
  fireAnchor: Date
  /** How many jobs run after this one. Absent: none. */
  followers?: number
  createdAt: Date
  updatedAt: Date
  createdBy: string
  updatedBy: string
}

/** One definition that a job had; never changed. It holds the secrets, sealed, for a run of this revision needs them. */
export type JobRevisionDocument = {
  _id: JobRevisionKey
  namespace: string
  definition: JobDefinition
  changedAt: Date
  changedBy: string
}
export type JobRevisionKey = { job: string; revision: number }

/** The one place that builds the key of a revision: the order of its fields is part of it. */
export const jobRevisionKey = (jobId: string, revision: number): JobRevisionKey => ({ job: jobId, revision })

/** The members that are versioned, and no others. */
export function definitionOf(job: JobDefinition): JobDefinition {
  const { name, description, enabled, trigger, processor, params, routing, priority, timeoutMs, killGraceMs, retry, maxConcurrent, log, secrets } = job
  return { name, description, enabled, trigger, processor, params, routing, priority, timeoutMs, killGraceMs, retry, maxConcurrent, log, secrets }
}

export function revisionOf(job: JobDocument): JobRevisionDocument {
  return {
    _id: jobRevisionKey(job._id, job.revision),
    namespace: job.namespace,
    definition: definitionOf(job),
    changedAt: job.updatedAt,
    changedBy: job.updatedBy,
  }
}

/** As answers show it: without the values of its secrets. */
export function jobView(job: JobDocument): JobView {
  return {
    ...definitionOf(job),
    secrets: maskSecrets(job.secrets),
    id: job._id,
    namespace: job.namespace,
    revision: job.revision,
    nextFireAt: job.nextFireAt?.toISOString() ?? null,
    createdAt: job.createdAt.toISOString(),
    updatedAt: job.updatedAt.toISOString(),
  }
}

export function jobRevisionView({ _id, definition, changedAt, changedBy }: JobRevisionDocument): JobRevisionView {
  return {
    revision: _id.revision,
    definition: { ...definitionOf(definition), secrets: maskSecrets(definition.secrets) },
    changedAt: changedAt.toISOString(),
    changedBy,
  }
}

/** What of a job its instances are made from. */
export type InstanceSource = Pick<JobDocument, '_id' | 'namespace' | 'name' | 'revision' | 'priority' | 'routing' | 'maxConcurrent' | 'followers'> & {
  processor: { kind: 'shell' } | { kind: 'handler'; handler: string }
}

/** What scheduling needs of a job that is due: no script, no secrets. */
export type DueJob = InstanceSource & Pick<JobDocument, 'params' | 'fireAnchor'> & { trigger: Trigger; nextFireAt: Date }
/** Moves the next fire time `from` → `to`, if the job is still what it was planned from. */
export type Advance = { jobId: string; revision: number; from: Date; to: Date | null }

export function instanceJobOf({ _id, namespace, name, revision, priority, routing, maxConcurrent, processor, followers = 0 }: InstanceSource): InstanceJob {
  const handler = processor.kind === 'handler' ? processor.handler : null
  return { id: _id, namespace, name, revision, priority, routing, maxConcurrent, handler, outcomes: followers > 0 ? [AFTER] : [] }
}

function maskSecrets(secrets: Record<string, string>): Record<string, '***'> {
  return Object.fromEntries(Object.keys(secrets).map((name) => [name, '***']))
}
