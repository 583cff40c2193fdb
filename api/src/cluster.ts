import { z } from 'zod'
import { Limit, NamespaceName, pageOf, Timestamp, Cursor } from './common.js'

export const WorkerView = z.object({
  id: z.string(),
  namespace: z.string(),
  name: z.string(),
  group: z.string(),
  tags: z.array(z.string()),
  handlers: z.array(z.string()),
  slots: z.int(),
  freeSlots: z.int(),
  running: z.int(),
  version: z.string(),
  host: z.string(),
  serverId: z.string().nullable(),
  /** `draining`: it takes no new work, because it is being stopped or because a user wants it so. */
  state: z.enum(['connected', 'draining', 'disconnected']),
  /** Whether a user wants it drained; kept while it is away, until undrained or forgotten. */
  isDrainWanted: z.boolean(),
  /** Log that it still has to deliver, bytes (compressed). */
  spoolBytes: z.int(),
  /** Why it takes no new work though it is connected; it goes on by itself when that is over. */
  problem: z.string().nullable(),
  /** Why it was turned away, if it was since it last connected. */
  lastRefusal: z.object({ reason: z.string(), at: Timestamp }).nullable(),
  connectedAt: Timestamp,
  lastHeartbeatAt: Timestamp,
})
export type WorkerView = z.infer<typeof WorkerView>
export const WorkerPage = pageOf(WorkerView)
export type WorkerPage = z.infer<typeof WorkerPage>
/** The worker's `workerId` of the protocol. */
export const WorkerId = z.uuid()
export const WorkerQuery = z.strictObject({ namespace: NamespaceName.optional(), cursor: Cursor.optional(), limit: Limit.default(200) })
export type WorkerQuery = z.infer<typeof WorkerQuery>

export const ServerView = z.object({
  id: z.string(),
  host: z.string(),
  version: z.string(),
  startedAt: Timestamp,
  lastSeenAt: Timestamp,
  isScheduling: z.boolean(),
  isDraining: z.boolean(),
  workers: z.int(),
  followers: z.int(),
  eventLoopDelayMs: z.number(),
  /** Log chunks, from their arrival to their being stored: the mean of the last seconds. */
  logLagMs: z.number(),
  /** How long each took to answer; null: it did not, or the server is too old to say. */
  mongodbMs: z.number().nullable(),
  redisMs: z.number().nullable(),
})
export type ServerView = z.infer<typeof ServerView>
export const ServerPage = pageOf(ServerView)
export type ServerPage = z.infer<typeof ServerPage>
