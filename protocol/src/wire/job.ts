/** What of a job's definition the worker needs, as the API takes it; how it travels is in assignment.ts. */
import { z } from 'zod'

/** A name of a variable in the environment of a job. */
export const EnvironmentName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'must be a name of an environment variable')
  // The database takes an object with such a member for one of its own types, and zod leaves the other out.
  .refine((name) => name !== '_bsontype' && name !== '__proto__', 'is a reserved name')
const EnvMap = z.record(EnvironmentName, z.string().max(32_768))

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

export const MAX_KILL_GRACE_MS = 600_000
