import { z } from 'zod'

export const Liveness = z.object({ status: z.literal('live') })
export type Liveness = z.infer<typeof Liveness>

const Dependency = z.enum(['ok', 'away'])
/** `/health/ready`: each dependency by name; why one is away is in the server's log. */
export const Readiness = z.object({ status: z.enum(['ready', 'unavailable', 'draining']), mongodb: Dependency, redis: Dependency })
export type Readiness = z.infer<typeof Readiness>
