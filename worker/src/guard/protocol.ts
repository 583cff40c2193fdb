import { z } from 'zod'

/** Worker → guard, one JSON object a line. End of input means that the worker is gone. */
export const GuardMessage = z.discriminatedUnion('kind', [
  /** Before the process is started: from here on its markers are looked for. */
  z.object({ kind: z.literal('starting'), key: z.string(), cgroup: z.string().optional() }),
  z.object({ kind: z.literal('started'), key: z.string(), cgroup: z.string().optional(), group: z.int(), start: z.string().optional() }),
  /** Nothing of it runs any more. */
  z.object({ kind: z.literal('gone'), key: z.string() }),
  /** When to kill everything, in ms of the lease clock, unless renewed. */
  z.object({ kind: z.literal('lease'), deadline: z.number() }),
])
export type GuardMessage = z.infer<typeof GuardMessage>
