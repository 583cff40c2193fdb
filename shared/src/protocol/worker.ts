import { z } from 'zod'
import { AttemptKey } from '../domain/attempt-key.js'
import type { ErrorCode } from '../domain/errors.js'
import { FINISHED_STATUSES } from '../domain/statuses.js'
import { cutText } from '../domain/cut-text.js'
import { ChunkHeader, LineRange, StreamTotals } from '../log/chunk.js'
import { Assignment, readAssignment } from './assignment.js'

/**
 * The worker protocol: socket.io namespace `/worker`, websocket only, token in the handshake's `auth.token`.
 * Every message is answered by an acknowledgement of the shape `Reply`; every wait has a deadline (ACK_TIMEOUT_MS). Messages carry lists, so that many
 * small events cost one round trip; a reply's `results` are in the order of the request's list. Prose and sequence diagrams: docs/protocol.md.
 *
 * Servers speak this version and the one before it, so servers are upgraded before workers. Members that a side does not know are ignored, and a member that version 1
 * did not have is optional.
 */
export const PROTOCOL_VERSION = 2
/** The oldest version that servers still speak. */
export const OLDEST_PROTOCOL_VERSION = 1
export const WORKER_NAMESPACE = '/worker'
export const ACK_TIMEOUT_MS = 10_000
/** Upper bounds of lists in one message. */
export const MAX_BATCH = 500
export const MAX_CHUNKS_PER_MESSAGE = 64
/** A message's summed chunk bodies stay below this, unless it holds a single chunk. */
export const MAX_LOG_MESSAGE_BYTES = 1024 * 1024
/** What a socket.io server has to accept in one frame. */
export const MAX_FRAME_BYTES = 8 * 1024 * 1024
export const MAX_PROBLEM_LENGTH = 500
/** What a connection or a message is refused with. */
export const REFUSAL_CODES = [
  'BUSY',
  'UNAVAILABLE',
  'VALIDATION_FAILED',
  'HELLO_FIRST',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'CONFLICT',
] as const satisfies readonly ErrorCode[]
/** The result of an item of `started` or `finished` that could not be read. */
export const INVALID = 'invalid'

/** Times end with the year 9999: later ones have no four-digit form, and those beyond 8.64e15 are no dates. */
const MAX_TIME = 253_402_300_799_999
const time = z.int().min(0).max(MAX_TIME)
export const MAX_ERROR_LENGTH = 8_192
export const MAX_SIGNAL_LENGTH = 20
export const MAX_PROGRESS_LENGTH = 1_000

/** Text for people: what is too long is cut, because a message must not be refused for it. */
const textUpTo = (length: number) => z.string().transform((text) => cutText(text, length))

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'letters, digits, dot, dash, underscore; at most 63')

/**
 * worker → server, first after each connect. `attempts`: every attempt that it runs or whose end it has not yet delivered. `spooled`: attempts whose output is in its spool; one
 * that is lost has started then, also if it never said so. `sentAt`: the worker's clock, by which the server corrects the times that it reports.
 * `incarnation`: a UUID made anew by each worker process: it tells a worker that connects again from a second one that uses its ID. `givenUp`: attempts that this process
 * took and will not tell the end of (its lease ran out); said until a message with them is answered. Any other that it does not list, it never received.
 * `replaces`: the incarnation of the process before this one, only where it is certain that that one is dead: then nobody waits for the end of its lease.
 * `understands`: words in answers that came after version 2 began; they are sent to nobody else.
 */
export const Hello = z.object({
  protocol: z.int(),
  workerId: z.uuid(),
  name: z.string().min(1).max(120),
  group: name,
  tags: z.array(name).max(50),
  handlers: z.array(z.string().min(1).max(200)).max(1000),
  slots: z.int().min(1).max(10_000),
  version: z.string().max(50),
  host: z.string().max(255),
  pid: z.int().min(1),
  startedAt: z.int().min(0),
  attempts: z.array(AttemptKey).max(20_000),
  spooled: z.array(AttemptKey).max(20_000).optional(),
  incarnation: z.uuid().optional(),
  replaces: z.uuid().optional(),
  givenUp: z.array(AttemptKey).max(20_000).optional(),
  sentAt: z.int().min(0).optional(),
  understands: z.array(z.string().max(50)).max(50).optional(),
})
export type Hello = z.infer<typeof Hello>

/** Items of the request's lists that could not be read, and why. Their `results` are the ones that end the matter; the other items were taken. */
const problems = z.array(z.object({ index: z.int().min(0), message: z.string() })).optional()

/**
 * `stop`: attempts of the list that are not (any more) this worker's to run: kill them; their logs are still welcome. `drain`: whether a user wants it drained: it takes
 * no new work, stays connected, and is told when that is over.
 */
export const Welcome = z.object({
  serverId: z.string(),
  leaseMs: z.int().min(1),
  heartbeatMs: z.int().min(1),
  stop: z.array(AttemptKey),
  drain: z.boolean().default(false),
  problems,
})
export type Welcome = z.infer<typeof Welcome>

/** worker → server: what is stored of these streams (after a reconnect or restart), to send only the rest. */
export const Resume = z.object({ streams: z.array(AttemptKey).min(1).max(MAX_BATCH) })
export type Resume = z.infer<typeof Resume>
/** `unknown`: no such attempt (its instance was removed): the worker drops the stream from its spool. */
export const Resumed = z.object({
  results: z.array(z.object({ state: z.enum(['open', 'sealed', 'interrupted', 'unknown']), ranges: z.array(LineRange) })),
  problems,
})
export type Resumed = z.infer<typeof Resumed>

/** server → worker. A slot is taken for each accepted attempt; the lease runs from the moment of acceptance. */
export const Run = z.object({ attempts: z.array(Assignment).min(1).max(MAX_BATCH) })
export type Run = z.infer<typeof Run>
/** The same as a worker reads it: an attempt that cannot be read whole costs no other. Null: not even its key can be read. */
export const ReceivedRun = z.object({ attempts: z.array(z.unknown().transform(readAssignment)).min(1).max(MAX_BATCH) })
export type ReceivedRun = z.infer<typeof ReceivedRun>
export const RunReply = z.object({ results: z.array(z.enum(['accepted', 'refused'])) })
export type RunReply = z.infer<typeof RunReply>

/** worker → server: left out for an attempt that ends within the same batch (`finished` carries `startedAt`). */
export const Started = z.object({
  attempts: z
    .array(AttemptKey.extend({ startedAt: time }))
    .min(1)
    .max(MAX_BATCH),
})
export type Started = z.infer<typeof Started>

/**
 * `fenced`: the attempt is not (any more) this worker's; a worker that reads this kills what it runs and forgets the result. `invalid`: the item could not be read, or not
 * whole; it says nothing about whose the attempt is. Sent only to workers that name it in {@link Hello}; others read `ok`.
 */
export const ATTEMPT_RESULTS = ['ok', 'fenced', INVALID] as const
export type AttemptResult = (typeof ATTEMPT_RESULTS)[number]
export const AttemptReply = z.object({ results: z.array(z.enum(ATTEMPT_RESULTS)), problems })
export type AttemptReply = z.infer<typeof AttemptReply>

/**
 * How an attempt ended. `log`: the stream's totals at its end, so that a lost seal is noticed. An end is never refused for what only describes it: that is cut or left
 * out. What has no place in time ended now (the server never believes in an end that is in the future).
 */
export const AttemptEnd = AttemptKey.extend({
  status: z.enum(FINISHED_STATUSES),
  /** Null when it ended before it started. */
  startedAt: time.nullable().catch(null),
  finishedAt: time.catch(MAX_TIME),
  exitCode: z.int().nullable().catch(null),
  signal: textUpTo(MAX_SIGNAL_LENGTH).nullable().catch(null),
  /** What went wrong, for people. */
  error: textUpTo(MAX_ERROR_LENGTH).nullable().catch(null),
  /** Processes of the attempt that the worker could not end and that still run, for people: no other attempt is made beside them. */
  killProblem: textUpTo(MAX_ERROR_LENGTH).optional().catch(undefined),
  /** JSON that it gave as its result: at most 64 KiB and 100 levels. What is more is left out by the server, with a note in `error`. */
  result: z.unknown(),
  /** The JSON text of a result that `result` would not give back exactly (big numbers, odd keys): then `result` is null. */
  resultText: z.string().optional().catch(undefined),
  /** Every further attempt would end the same way: none is made, whatever the job's retry policy. */
  isFinal: z.boolean().optional().catch(undefined),
  log: StreamTotals,
})
export type AttemptEnd = z.infer<typeof AttemptEnd>
/** An end as servers take it: `log` is null where the totals could not be read. */
export type ReportedEnd<L extends StreamTotals | null = StreamTotals | null> = Omit<AttemptEnd, 'log'> & { log: L }
export const Finished = z.object({ attempts: z.array(AttemptEnd).min(1).max(MAX_BATCH) })
export type Finished = z.infer<typeof Finished>

/** worker → server, with one binary argument: the bodies of the chunks, one after another, `size` bytes each. */
export const LogMessage = z.object({ chunks: z.array(ChunkHeader).min(1).max(MAX_CHUNKS_PER_MESSAGE) })
export type LogMessage = z.infer<typeof LogMessage>
/**
 * `ok` stored by a majority · `dup` was stored already, by a majority · `busy` not stored: send again after a pause · `conflict` another chunk has that place:
 * never sent again, reported · `refused` not this worker's stream, a header that cannot be read or a broken checksum: never sent again, reported.
 */
export const CHUNK_RESULTS = ['ok', 'dup', 'busy', 'conflict', 'refused'] as const
export type ChunkResult = (typeof CHUNK_RESULTS)[number]
export const LogReply = z.object({ results: z.array(z.enum(CHUNK_RESULTS)), problems })
export type LogReply = z.infer<typeof LogReply>

/** worker → server, when every chunk of an ended stream is acknowledged. Idempotent. */
export const Seal = z.object({
  streams: z
    .array(AttemptKey.extend({ totals: StreamTotals }))
    .min(1)
    .max(MAX_BATCH),
})
export type Seal = z.infer<typeof Seal>
/** `sealed`: all that was announced is stored and checked; with losses the log is `partial` to its readers, but there is nothing more to deliver · `missing`: send these lines again from the spool, then seal again · `conflict`: sums or digest differ: reported, the stream stays unsealed · `unknown`: as in Resumed. */
export const SealReply = z.object({
  results: z.array(z.object({ state: z.enum(['sealed', 'missing', 'conflict', 'unknown']), missing: z.array(LineRange) })),
  problems,
})
export type SealReply = z.infer<typeof SealReply>

/** worker → server, every `heartbeatMs`: renews the leases of these attempts. `spoolBytes`: log chunks that wait in the spool to be acknowledged, bytes. `problem`: why it takes no new work though it is connected, for people (its disk is full): servers place nothing on it until it is gone. `sentAt`, `givenUp`: as in Hello. */
export const Heartbeat = z.object({
  attempts: z.array(AttemptKey).max(20_000),
  freeSlots: z.int().min(0),
  isDraining: z.boolean(),
  spoolBytes: z.int().min(0),
  givenUp: z.array(AttemptKey).max(20_000).optional(),
  sentAt: z.int().min(0).optional(),
  problem: z
    .string()
    .transform((text) => text.slice(0, MAX_PROBLEM_LENGTH))
    .optional(),
})
export type Heartbeat = z.infer<typeof Heartbeat>
/** `stop`: as in Welcome. `cancel`, `drain`: what users want (the safety net of the messages `cancel` and `config`). */
export const HeartbeatReply = z.object({ stop: z.array(AttemptKey), cancel: z.array(AttemptKey), drain: z.boolean().default(false), problems })
export type HeartbeatReply = z.infer<typeof HeartbeatReply>

/** worker → server: the newest progress of running attempts. */
export const Progress = z.object({
  attempts: z
    .array(AttemptKey.extend({ percent: z.number().min(0).max(100).nullable().catch(null), message: textUpTo(MAX_PROGRESS_LENGTH).nullable().catch(null) }))
    .min(1)
    .max(MAX_BATCH),
})
export type Progress = z.infer<typeof Progress>
export const ProgressReply = z.object({ problems })
export type ProgressReply = z.infer<typeof ProgressReply>

/** server → worker: SIGTERM to the process group (abort signal for a handler), SIGKILL after the job's grace time; ends as CANCELLED. */
export const Cancel = z.object({ attempts: z.array(AttemptKey).min(1).max(MAX_BATCH) })
export type Cancel = z.infer<typeof Cancel>
/** server → worker: no longer this worker's: SIGKILL these, and tell no end. Present servers say so in `stop` and in the results of `started` and `finished` instead. */
export const Fenced = z.object({ attempts: z.array(AttemptKey).min(1).max(MAX_BATCH) })
export type Fenced = z.infer<typeof Fenced>
/** server → worker. `reconnect`: this server is leaving: connect again (to another one) once what is in flight is answered. `drain`: true: take no new work, finish what runs, stay connected; false: that is over. */
export const Config = z.object({ reconnect: z.boolean().optional(), drain: z.boolean().optional() })
export type Config = z.infer<typeof Config>

export const Empty = z.object({})
export type Empty = z.infer<typeof Empty>

/** Each acknowledgement: the answer, or a refusal with its reason. The connection lives on either way. */
export type Reply<T> = { ok: true; value: T } | { ok: false; code: string; message: string }
export const replyOf = <T extends z.ZodType>(value: T) =>
  z.discriminatedUnion('ok', [z.object({ ok: z.literal(true), value }), z.object({ ok: z.literal(false), code: z.string(), message: z.string() })])

type Ack<T> = (reply: Reply<T>) => void

/** socket.io event maps; the same on both sides. */
export interface WorkerToServer {
  hello: (message: Hello, ack: Ack<Welcome>) => void
  resume: (message: Resume, ack: Ack<Resumed>) => void
  started: (message: Started, ack: Ack<AttemptReply>) => void
  finished: (message: Finished, ack: Ack<AttemptReply>) => void
  log: (message: LogMessage, bodies: Buffer, ack: Ack<LogReply>) => void
  seal: (message: Seal, ack: Ack<SealReply>) => void
  heartbeat: (message: Heartbeat, ack: Ack<HeartbeatReply>) => void
  progress: (message: Progress, ack: Ack<ProgressReply>) => void
}
export interface ServerToWorker {
  run: (message: Run, ack: Ack<RunReply>) => void
  cancel: (message: Cancel, ack: Ack<Empty>) => void
  fenced: (message: Fenced, ack: Ack<Empty>) => void
  config: (message: Config, ack: Ack<Empty>) => void
}

/** What a worker may send: request and reply schema by event name. */
export const WORKER_MESSAGES = {
  hello: { request: Hello, reply: Welcome },
  resume: { request: Resume, reply: Resumed },
  started: { request: Started, reply: AttemptReply },
  finished: { request: Finished, reply: AttemptReply },
  log: { request: LogMessage, reply: LogReply },
  seal: { request: Seal, reply: SealReply },
  heartbeat: { request: Heartbeat, reply: HeartbeatReply },
  progress: { request: Progress, reply: ProgressReply },
} as const

/** What a server may send: request and reply schema by event name. */
export const SERVER_MESSAGES = {
  run: { request: Run, reply: RunReply },
  cancel: { request: Cancel, reply: Empty },
  fenced: { request: Fenced, reply: Empty },
  config: { request: Config, reply: Empty },
} as const
