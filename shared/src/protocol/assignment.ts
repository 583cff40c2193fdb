import { z } from 'zod'
import { HandlerProcessor, LogLimits, ShellProcessor } from '../api/jobs.js'
import { AttemptKey } from '../domain/attempt-key.js'

/**
 * What a job's definition says, as it travels to workers. The API refuses members that it does not know, so that a slip is noticed; a worker ignores them, because a newer
 * server may send more.
 */
const RunShell = z
  .object(ShellProcessor.shape)
  .refine(({ script, command }) => (script === undefined) !== (command === undefined), { path: ['script'], message: 'give either script or command' })
export const RunProcessor = z.discriminatedUnion('kind', [RunShell, z.object(HandlerProcessor.shape)])
const RunLog = z.object({ ...LogLimits.shape, onPressure: LogLimits.shape.onPressure.catch('block') })

type RunProcessor = z.infer<typeof RunProcessor>
/** `unreadable`: of a kind that this worker does not know. It takes the attempt all the same and reports it FAILED, so that people see why. */
type ReadProcessor = RunProcessor | { kind: 'unreadable'; problem: string }

function readProcessor(raw: object): ReadProcessor {
  const { data, error } = RunProcessor.safeParse(raw)
  return data ?? { kind: 'unreadable', problem: problemsIn(error, 'processor') }
}

const problemsIn = ({ issues }: z.ZodError, ...under: string[]): string =>
  issues.map(({ path, message }) => `${[...under, ...path].join('.')}: ${message}`).join('; ')

/** One attempt to run, with everything that the worker needs for it. */
export const Assignment = AttemptKey.extend({
  namespace: z.string(),
  jobId: z.string(),
  jobName: z.string(),
  revision: z.int(),
  scheduledFor: z.string().nullable(),
  processor: z.looseObject({}).transform(readProcessor),
  params: z.record(z.string(), z.unknown()),
  /** The JSON text of params that `params` would not give back exactly: then `params` is empty. */
  paramsText: z.string().optional(),
  /** Environment of the process; every value of it is masked in the log. */
  secrets: z.record(z.string(), z.string()),
  /** 0: no limit. */
  timeoutMs: z.int().min(0),
  /** Between SIGTERM and SIGKILL. */
  killGraceMs: z.int().min(0),
  log: RunLog,
})
export type Assignment = z.infer<typeof Assignment>

/**
 * An attempt as a worker reads it. Where only its key can be read, the worker takes it all the same and reports it FAILED with the reason: refused, it would be sent again
 * for ever. Null: not even that.
 */
export function readAssignment(raw: unknown): Assignment | null {
  const { data, error } = Assignment.safeParse(raw)
  if (data !== undefined) return data
  const key = AttemptKey.safeParse(raw)
  if (!key.success) return null
  return {
    ...{ ...key.data, namespace: '', jobId: '', jobName: '', revision: 0, scheduledFor: null, params: {}, secrets: {}, timeoutMs: 0, killGraceMs: 0 },
    ...{ processor: { kind: 'unreadable', problem: problemsIn(error) }, log: { maxLines: 0, maxBytes: 0, onPressure: 'block' } },
  }
}
