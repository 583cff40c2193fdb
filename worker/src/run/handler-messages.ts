import { z } from 'zod'

/** Worker → process of a handler. */
export const ToHandler = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('start'),
    module: z.string(),
    handler: z.string(),
    context: z.object({
      instanceId: z.string(),
      task: z.int(),
      attempt: z.int(),
      jobName: z.string(),
      scheduledFor: z.string().nullable(),
      params: z.record(z.string(), z.unknown()),
      paramsText: z.string().optional(),
      secrets: z.record(z.string(), z.string()),
    }),
  }),
  z.object({ kind: z.literal('stop'), reason: z.string() }),
])
export type ToHandler = z.infer<typeof ToHandler>

/** Process of a handler → worker. `result` is JSON text; `isText`: it would not be exact as a value. */
export const FromHandler = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('progress'), percent: z.number().min(0).max(100).nullable(), message: z.string().nullable() }),
  z.object({ kind: z.literal('succeeded'), result: z.string().nullable(), isText: z.boolean(), problem: z.string().nullable() }),
  z.object({ kind: z.literal('failed'), error: z.string() }),
])
export type FromHandler = z.infer<typeof FromHandler>
