import { z } from 'zod'
import { WorkerId } from './cluster.js'
import { ATTEMPT_STATUSES, INSTANCE_STATUSES, LOG_STATES } from '../domain/statuses.js'
import { LineRange } from '../log/chunk.js'
import { LogLoss } from '../log/losses.js'
import { Cursor, Id, InputTime, Limit, NamespaceName, pageOf, Timestamp, UserObject } from './common.js'

export const CAUSE_KINDS = ['schedule', 'api', 'after'] as const
/** Who or what made an instance. With `after`: the run of another job whose end did; it may be removed since. */
export const InstanceCause = z.object({
  kind: z.enum(CAUSE_KINDS),
  by: z.string().nullable(),
  after: z.object({ jobId: Id, jobName: z.string(), instanceId: Id }).optional(),
})
export type InstanceCause = z.infer<typeof InstanceCause>

/** Why an instance waits, in a form for programs (`reason` and what belongs to it) and for people (`message`, which says the same in English). */
export const WaitingFor = z.object({
  reason: z.enum(['due', 'retry', 'concurrency', 'no_worker', 'draining', 'slots', 'dispatch']),
  message: z.string(),
  /** With `due` and `retry`. */
  until: Timestamp.optional(),
  /** With `retry`: the attempt that failed. */
  attempt: z.int().optional(),
  /** With `concurrency`: how many instances of the job may run at a time. */
  limit: z.int().optional(),
  /** With `no_worker`: the group in which no worker is connected, or none that has all of `tags` and `handler`. */
  group: z.string().optional(),
  tags: z.array(z.string()).optional(),
  handler: z.string().optional(),
  /** With `draining`: names of some of the workers that could take it. */
  workers: z.array(z.string()).optional(),
  /** With `draining` and `slots`: how many workers could take it. */
  workerCount: z.int().optional(),
  /** With `slots`: how many slots these workers have, all of them busy. */
  slots: z.int().optional(),
  /** With `slots`: place in the queue of its route, from 1. */
  position: z.int().optional(),
})
export type WaitingFor = z.infer<typeof WaitingFor>

/** `lines`, `bytes`: the contiguous prefix that can be read now; with `expired`, what the log had until `expiredAt`. `gaps` and `reason` with `interrupted`. */
export const LogSummary = z.object({
  state: z.enum(LOG_STATES),
  lines: z.int(),
  bytes: z.int(),
  reason: z.string().optional(),
  gaps: z.array(LineRange).optional(),
  losses: z.array(LogLoss).optional(),
  expiredAt: Timestamp.optional(),
})
export type LogSummary = z.infer<typeof LogSummary>

export const AttemptView = z.object({
  task: z.int(),
  attempt: z.int(),
  status: z.enum(ATTEMPT_STATUSES),
  workerId: z.string(),
  workerName: z.string(),
  dispatchedAt: Timestamp,
  startedAt: Timestamp.nullable(),
  finishedAt: Timestamp.nullable(),
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
  error: z.string().nullable(),
  progress: z.object({ percent: z.number().nullable(), message: z.string().nullable() }).nullable(),
  log: LogSummary,
})
export type AttemptView = z.infer<typeof AttemptView>

export const InstanceView = z.object({
  id: Id,
  namespace: z.string(),
  jobId: Id,
  jobName: z.string(),
  revision: z.int(),
  cause: InstanceCause,
  status: z.enum(INSTANCE_STATUSES),
  scheduledFor: Timestamp.nullable(),
  createdAt: Timestamp,
  dueAt: Timestamp,
  startedAt: Timestamp.nullable(),
  finishedAt: Timestamp.nullable(),
  /** Number of the latest attempt; 0 before the first. */
  attempt: z.int(),
  cancelRequestedAt: Timestamp.nullable(),
  error: z.string().nullable(),
})
export type InstanceView = z.infer<typeof InstanceView>

export const InstanceDetail = InstanceView.extend({
  params: UserObject,
  /** With `error` saying why, where a run gave one that could not be kept. */
  result: z.unknown(),
  waitingFor: WaitingFor.nullable(),
  attempts: z.array(AttemptView),
  /** Of the latest attempt. */
  log: LogSummary,
})
export type InstanceDetail = z.infer<typeof InstanceDetail>
/** `searchedTo`: with `workerId` or `text`, the time of creation back to which was looked for this page; null when nothing older is left, and without those two. */
export const InstancePage = pageOf(InstanceView).extend({ searchedTo: Timestamp.nullable() })
export type InstancePage = z.infer<typeof InstancePage>

/**
 * Newest first. `from`/`to` bound the time of creation; `status` may be several, separated by commas. `workerId`: a worker that was given an attempt of it, one of its last 50. `text`: part of its
 * error or of its result (a text as it is, any other as compact JSON), any case. Those two are looked for among what the others leave, up to some thousand instances a call: a page may hold
 * fewer than `limit`, even none, and have a `next`.
 */
export const InstanceQuery = z.strictObject({
  namespace: NamespaceName.optional(),
  jobId: Id.optional(),
  cause: z.enum(CAUSE_KINDS).optional(),
  status: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(INSTANCE_STATUSES)))
    .optional(),
  from: InputTime.optional(),
  to: InputTime.optional(),
  workerId: WorkerId.optional(),
  text: z.string().min(1).max(200).optional(),
  cursor: Cursor.optional(),
  limit: Limit.default(50),
})
export type InstanceQuery = z.infer<typeof InstanceQuery>

export const STRIP_LENGTH = 30
export const STRIPS_LIMIT = 100
/** The last runs of several jobs, for a list of them; `jobIds` are separated by commas. */
export const RunStripQuery = z.strictObject({
  jobIds: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(Id).min(1).max(STRIPS_LIMIT)),
})
export type RunStripQuery = z.infer<typeof RunStripQuery>
export const StripRun = InstanceView.pick({ id: true, status: true, createdAt: true, dueAt: true, startedAt: true, finishedAt: true })
export type StripRun = z.infer<typeof StripRun>
/** `runs`: the last ones of the job, newest first, at most STRIP_LENGTH. Jobs without runs, and those of other namespaces, are left out. */
export const RunStrips = z.object({ items: z.array(z.object({ jobId: Id, runs: z.array(StripRun) })) })
export type RunStrips = z.infer<typeof RunStrips>
