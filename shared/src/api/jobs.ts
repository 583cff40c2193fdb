import { z } from 'zod'
import { cronProblem } from '../domain/next-fire.js'
import { AWAITED_ENDS, FINISHED_STATUSES } from '../domain/statuses.js'
import { readExact, type UserMembers } from '../json/exact-json.js'
import { membersOf } from '../json/json-text.js'
import { Cursor, DurationMs, Id, InputTime, Limit, Name, NamespaceName, pageOf, QueryFlag, Timestamp, UserObject } from './common.js'

const CronTrigger = z
  .strictObject({ kind: z.literal('cron'), expression: z.string().min(1).max(200), timeZone: z.string().min(1).max(64).default('UTC') })
  .superRefine((trigger, context) => {
    const problem = cronProblem(trigger.expression, trigger.timeZone)
    if (problem !== undefined) context.addIssue({ code: 'custom', path: [problem.field], message: problem.message })
  })
const IntervalTrigger = z.strictObject({
  kind: z.literal('interval'),
  everyMs: z
    .int()
    .min(100)
    .max(366 * 24 * 3_600_000),
  startAt: InputTime.optional(),
})
const OnceTrigger = z.strictObject({ kind: z.literal('once'), at: InputTime })
const ManualTrigger = z.strictObject({ kind: z.literal('manual') })
/**
 * Runs the job once after each run of another job of the same namespace that ends so. `failure`: it failed or timed out; `any`: it ended, cancelled included. What counts is the definition at
 * that end. Runs that were made before the other job had its first follower are not followed. A run that is retried by hand is followed once, by its first end that matches.
 */
const AfterTrigger = z.strictObject({ kind: z.literal('after'), job: Id, on: z.enum(AWAITED_ENDS).default('success') })
export type AfterTrigger = z.infer<typeof AfterTrigger>
/** When a job fires. Intervals are fixed-rate. */
export const Trigger = z.discriminatedUnion('kind', [CronTrigger, IntervalTrigger, OnceTrigger, ManualTrigger, AfterTrigger])
export type Trigger = z.infer<typeof Trigger>
export const TRIGGER_KINDS = ['cron', 'interval', 'once', 'manual', 'after'] as const satisfies readonly Trigger['kind'][]

const envName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'must be a name of an environment variable')
  // The database takes an object with such a member for one of its own types, and zod leaves the other out.
  .refine((name) => name !== '_bsontype' && name !== '__proto__', 'is a reserved name')
const EnvMap = z.record(envName, z.string().max(32_768))

/** Runs a script by an interpreter (`/bin/sh` unless named), or a command with arguments; exactly one of script and command. */
export const ShellProcessor = z
  .strictObject({
    kind: z.literal('shell'),
    script: z.string().min(1).max(262_144).optional(),
    interpreter: z.string().min(1).max(1_024).optional(),
    command: z.string().min(1).max(4_096).optional(),
    args: z.array(z.string().max(32_768)).max(1_000).optional(),
    env: EnvMap.optional(),
    cwd: z.string().min(1).max(4_096).optional(),
  })
  .superRefine((processor, context) => {
    if ((processor.script === undefined) === (processor.command === undefined))
      context.addIssue({ code: 'custom', path: ['script'], message: 'give either script or command' })
    if (processor.args !== undefined && processor.command === undefined) context.addIssue({ code: 'custom', path: ['args'], message: 'args go with command' })
    if (processor.interpreter !== undefined && processor.script === undefined)
      context.addIssue({ code: 'custom', path: ['interpreter'], message: 'interpreter goes with script' })
  })
/** Calls a function that a worker registered with the SDK under this name. */
export const HandlerProcessor = z.strictObject({ kind: z.literal('handler'), handler: z.string().min(1).max(200) })
export const Processor = z.discriminatedUnion('kind', [ShellProcessor, HandlerProcessor])
export type Processor = z.infer<typeof Processor>

/** Params of a run: a JSON object, kept exactly, of at most 64 KiB as compact text and 100 levels. */
export const Params = UserObject.superRefine((params, context) => {
  const read = readExact(params)
  if ('problem' in read) return context.addIssue({ code: 'custom', message: read.problem })
  for (const name of membersOf(read.text).keys())
    if (name.length === 0 || name.length > 128)
      context.addIssue({ code: 'custom', path: [name], message: 'is not a possible name: it must have 1 to 128 characters' })
})
export type Params = z.infer<typeof Params>

/** Which workers may take a job: those of the group that have every tag. */
const Routing = z.strictObject({ group: Name.default('default'), tags: z.array(Name).max(10).default([]) })
/** `maxRetries` further attempts after the first; wait before retry k (from 1): min(backoffMs × factor^(k-1), maxBackoffMs). */
const RetryPolicy = z.strictObject({
  maxRetries: z.int().min(0).max(100).default(0),
  backoffMs: DurationMs.default(1_000),
  factor: z.number().min(1).max(10).default(2),
  maxBackoffMs: DurationMs.default(3_600_000),
})
export type RetryPolicy = z.infer<typeof RetryPolicy>
/**
 * Limits of one stream's log. 0: none. What is beyond leaves a marker line with the counts. `onPressure`: what happens when the worker's spool is full:
 * `block` the writing process, or `drop` lines with a marker.
 */
export const LogLimits = z.strictObject({
  maxLines: z.int().min(0).default(0),
  maxBytes: z.int().min(0).default(0),
  onPressure: z.enum(['block', 'drop']).default('block'),
})
export type LogLimits = z.infer<typeof LogLimits>

const Secret = z
  .string()
  .max(8_192)
  .refine((value) => value.replace(/\s/g, '').length >= 4, 'must have at least 4 characters that are not blank, or masking would hit ordinary text')
/** Values are never read back: answers show "***". Processes get them as environment; log, result, error and progress show *** in their place. */
const Secrets = z.record(envName, Secret)

export const MAX_KILL_GRACE_MS = 600_000

const definition = {
  name: Name,
  description: z.string().max(2_000).default(''),
  enabled: z.boolean().default(true),
  trigger: Trigger,
  processor: Processor,
  params: Params.default({}),
  routing: Routing.prefault({}),
  /** Higher goes first among waiting runs of a route. */
  priority: z.int().min(-1_000).max(1_000).default(0),
  /** 0: none. */
  timeoutMs: DurationMs.default(0),
  killGraceMs: z.int().min(0).max(MAX_KILL_GRACE_MS).default(10_000),
  retry: RetryPolicy.prefault({}),
  /** 0: no limit. */
  maxConcurrent: z.int().min(0).max(10_000).default(0),
  log: LogLimits.prefault({}),
  secrets: Secrets.default({}),
}

/** What of a job is versioned: everything but its namespace. */
export const JobDefinition = z.strictObject(definition)
export type JobDefinition = z.infer<typeof JobDefinition>

export const CreateJob = z.strictObject({ namespace: NamespaceName.default('default'), ...definition })
export type CreateJob = z.infer<typeof CreateJob>

export const MAX_JOBS_A_CALL = 500
/** Many jobs of one namespace in one call: all of them, or none when one cannot be created. */
export const CreateJobBulk = z.strictObject({ namespace: NamespaceName.default('default'), jobs: z.array(JobDefinition).min(1).max(MAX_JOBS_A_CALL) })
export type CreateJobBulk = z.infer<typeof CreateJobBulk>
/** In the order of the request. */
export const JobsCreated = z.object({ jobIds: z.array(Id) })
export type JobsCreated = z.infer<typeof JobsCreated>

/**
 * A change: only the members given. Each given member replaces the former one whole, but for `secrets`, which are merged: null removes one, "***" keeps one.
 * `revision` is the one that the change is based on; a stale one is 409.
 */
export const ChangeJob = z.strictObject({
  revision: z.int().min(1),
  name: Name.optional(),
  description: z.string().max(2_000).optional(),
  enabled: z.boolean().optional(),
  trigger: Trigger.optional(),
  processor: Processor.optional(),
  params: Params.optional(),
  routing: Routing.optional(),
  priority: z.int().min(-1_000).max(1_000).optional(),
  timeoutMs: DurationMs.optional(),
  killGraceMs: z.int().min(0).max(MAX_KILL_GRACE_MS).optional(),
  retry: RetryPolicy.optional(),
  maxConcurrent: z.int().min(0).max(10_000).optional(),
  log: LogLimits.optional(),
  secrets: z.record(envName, z.union([z.null(), z.literal('***'), Secret])).optional(),
})
export type ChangeJob = z.infer<typeof ChangeJob>

export const JobView = JobDefinition.extend({
  id: Id,
  namespace: NamespaceName,
  revision: z.int(),
  trigger: z.discriminatedUnion('kind', [z.object(CronTrigger.shape), IntervalTrigger, OnceTrigger, ManualTrigger, AfterTrigger]),
  secrets: z.record(z.string(), z.literal('***')),
  nextFireAt: Timestamp.nullable(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
})
export type JobView = z.infer<typeof JobView>
export const JobPage = pageOf(JobView)
export type JobPage = z.infer<typeof JobPage>

/**
 * By namespace and name. `lastResult`: how the last run that has ended did so, among the last 30 of the job; it is looked for among what the other filters leave, some
 * hundred jobs a call: a page may hold fewer than `limit`, even none, and have a `next`.
 */
export const JobQuery = z.strictObject({
  namespace: NamespaceName.optional(),
  name: z.string().max(63).optional(),
  /** Part of the name, any case. */
  search: z.string().max(63).optional(),
  group: Name.optional(),
  trigger: z.enum(TRIGGER_KINDS).optional(),
  /** Those that run after this job. */
  after: Id.optional(),
  enabled: QueryFlag.optional(),
  lastResult: z.enum(FINISHED_STATUSES).optional(),
  cursor: Cursor.optional(),
  limit: Limit.default(50),
})
export type JobQuery = z.infer<typeof JobQuery>

export const JobRevisionView = z.object({
  revision: z.int(),
  definition: JobView.omit({ id: true, namespace: true, revision: true, nextFireAt: true, createdAt: true, updatedAt: true }),
  changedAt: Timestamp,
  changedBy: z.string(),
})
export type JobRevisionView = z.infer<typeof JobRevisionView>
export const JobRevisionPage = pageOf(JobRevisionView)
export type JobRevisionPage = z.infer<typeof JobRevisionPage>
/** Revisions, newest first; the cursor is the revision to go on below. */
export const JobRevisionQuery = z.strictObject({ cursor: z.coerce.number().int().min(1).optional(), limit: Limit.default(50) })
export type JobRevisionQuery = z.infer<typeof JobRevisionQuery>

const idempotencyKey = z.string().min(1).max(200)
/** `delayMs` from now; the same `idempotencyKey` for the same job gives the same instance. */
export const RunJob = z.strictObject({ params: Params.optional(), delayMs: DurationMs.default(0), idempotencyKey: idempotencyKey.optional() })
export type RunJob = z.infer<typeof RunJob>
export const RunCreated = z.object({ instanceId: Id })
export type RunCreated = z.infer<typeof RunCreated>
/** Many runs in one call, in one write. */
export const RunJobBulk = z.strictObject({ runs: z.array(RunJob).min(1).max(1_000) })
export type RunJobBulk = z.infer<typeof RunJobBulk>
export const RunsCreated = z.object({ instanceIds: z.array(Id) })
export type RunsCreated = z.infer<typeof RunsCreated>

/** Where bodies of requests and answers hold JSON of users, which is read and written exactly. */
export const USER_MEMBERS: UserMembers = [
  ['params'],
  ['result'],
  ['runs', '*', 'params'],
  ['jobs', '*', 'params'],
  ['definition', 'params'],
  ['items', '*', 'params'],
  ['items', '*', 'definition', 'params'],
  ['current', 'params'],
]

/** The next `count` fire times of a trigger, counted from now. */
export const PreviewTrigger = z.strictObject({ trigger: Trigger, count: z.int().min(1).max(50).default(5) })
export type PreviewTrigger = z.infer<typeof PreviewTrigger>
export const TriggerPreview = z.object({ fireTimes: z.array(Timestamp) })
export type TriggerPreview = z.infer<typeof TriggerPreview>
