import { z } from 'zod'
import { LOG_STATES } from '@jobtrail/protocol/domain/statuses'
import { LineRange } from '@jobtrail/protocol/log/chunk'
import { LogLoss } from '@jobtrail/protocol/log/losses'
import { QueryFlag, Timestamp } from './common.js'

export const LOG_PAGE_LIMIT = 10_000

/** Which stream of an instance: task 0 and its latest attempt, unless said otherwise. */
const selection = { task: z.coerce.number().int().min(0).default(0), attempt: z.coerce.number().int().min(1).optional() }
const side = z.enum(['stdout', 'stderr']).optional()

/** `system` marks lines that Jobtrail wrote: what a limit left out. */
export const LogLineView = z.object({
  n: z.int(),
  ts: Timestamp,
  stream: z.enum(['stdout', 'stderr', 'system']),
  attempt: z.int(),
  task: z.int(),
  text: z.string(),
  /** The line goes on in the next number of its side: it is longer than 1 MiB, or was asked for by pieces, or its rest has not arrived. */
  cut: z.literal(true).optional(),
  /** The line was stored in so many pieces of 64 KiB. Each has a number: `n` is the first, those of the others belong to no other line. */
  pieces: z.int().optional(),
})
export type LogLineView = z.infer<typeof LogLineView>

/** `from` is a line number; negative counts from the end; default: the first line, or in descending order the last. With `stream`, `n` stays the number in the whole log and `limit` counts matching lines. `pieces=true`: an item for each number, as followers get them; otherwise a line longer than 64 KiB is one item. */
export const LogQuery = z.strictObject({
  ...selection,
  from: z.coerce.number().int().optional(),
  limit: z.coerce.number().int().min(1).max(LOG_PAGE_LIMIT).default(1_000),
  stream: side,
  order: z.enum(['asc', 'desc']).default('asc'),
  pieces: QueryFlag.default(false),
})
export type LogQuery = z.infer<typeof LogQuery>

/**
 * What is said of completeness in each log answer. `total`: lines of the contiguous prefix that is stored. `expired`: the log had `total` lines, which the retention
 * of its namespace removed at `expiredAt`; none of them can be read. `losses`: what a partial log is known to lack.
 */
const completeness = {
  state: z.enum(LOG_STATES),
  total: z.int(),
  reason: z.string().optional(),
  gaps: z.array(LineRange).optional(),
  losses: z.array(LogLoss).optional(),
  expiredAt: Timestamp.optional(),
}

/** `next`: the `from` that goes on; null when a sealed or expired log ends here (or, descending, at line 0). An open log always has one. */
export const LogPage = z.object({ ...completeness, task: z.int(), attempt: z.int(), lines: z.array(LogLineView), next: z.int().nullable() })
export type LogPage = z.infer<typeof LogPage>

/** Most matches in one answer of a search. */
export const LOG_SEARCH_LIMIT = 10_000

/**
 * A search from line `from` on, in lines as they read (without escape sequences). `regex`: RE2 syntax. `context`: so many lines before and after each match.
 * `lines=false`: only where the matches are, for counting.
 */
export const LogSearchQuery = z.strictObject({
  ...selection,
  q: z.string().min(1).max(500),
  mode: z.enum(['text', 'regex']).default('text'),
  case: QueryFlag.default(false),
  stream: side,
  from: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(LOG_SEARCH_LIMIT).default(1_000),
  context: z.coerce.number().int().min(0).max(20).default(0),
  lines: QueryFlag.default(true),
})
export type LogSearchQuery = z.infer<typeof LogSearchQuery>

/** `at`: the places in the line, [start, end) in UTF-16 units, at most 100 of them. */
export const LogMatch = z.object({
  n: z.int(),
  at: z.array(z.tuple([z.int(), z.int()])),
  line: LogLineView.optional(),
  before: z.array(LogLineView).optional(),
  after: z.array(LogLineView).optional(),
})
export type LogMatch = z.infer<typeof LogMatch>

/** Each call does a bounded amount of work: `next` is the line to go on from, `null` when a sealed log was searched to its end; of an open log it was when `next` reaches `total`. */
export const LogSearchPage = z.object({ ...completeness, task: z.int(), attempt: z.int(), matches: z.array(LogMatch), next: z.int().nullable() })
export type LogSearchPage = z.infer<typeof LogSearchPage>

/** `jsonl`: each line as the JSON of {@link LogLineView} on a line of its own, instead of the bytes that the process wrote; `timestamps` is for `text`. */
export const RawQuery = z
  .strictObject({ ...selection, stream: side, format: z.enum(['text', 'jsonl']).default('text'), timestamps: QueryFlag.default(false) })
  .refine(({ format, timestamps }) => format === 'text' || !timestamps, {
    path: ['timestamps'],
    error: 'is for format=text: a line of jsonl has its time in it',
  })
export type RawQuery = z.infer<typeof RawQuery>

export const FollowQuery = z.strictObject({ ...selection, from: z.coerce.number().int().default(0) })
export type FollowQuery = z.infer<typeof FollowQuery>

/** Data of the event `end` of a followed log. */
export const FollowEnd = z.object({ ...completeness, task: z.int(), attempt: z.int(), status: z.string() })
export type FollowEnd = z.infer<typeof FollowEnd>
/** Data of the event `forbidden`: the caller lost the right to follow while it followed, and is sent nothing more. */
export const FollowDenied = z.object({ code: z.enum(['UNAUTHENTICATED', 'FORBIDDEN']), message: z.string() })
export type FollowDenied = z.infer<typeof FollowDenied>

/** Data of the event `error`: why following ends before its log does. `UNAVAILABLE`: connect again and go on; any other code: it would end the same way. */
export const FollowFailed = z.object({ code: z.string(), message: z.string() })
export type FollowFailed = z.infer<typeof FollowFailed>

export const VerifyQuery = z.strictObject(selection)
export type VerifyQuery = z.infer<typeof VerifyQuery>
/** `valid`: what is stored is what was captured; whether that is all, `state` and `losses` say. `firstBad`: first line of the first chunk that is missing, does not decode, or breaks the digest chain. */
export const LogVerification = z.object({
  valid: z.boolean(),
  state: z.enum(LOG_STATES),
  lines: z.int(),
  bytes: z.int(),
  digest: z.string(),
  losses: z.array(LogLoss).optional(),
  firstBad: z.int().optional(),
  reason: z.string().optional(),
})
export type LogVerification = z.infer<typeof LogVerification>
