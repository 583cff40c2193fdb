import { z } from 'zod'
import { INSTANCE_STATUSES } from '@jobtrail/protocol/domain/statuses'
import type { Reply } from '@jobtrail/protocol/wire/worker'
import { FollowEnd, LogLineView } from './logs.js'

/**
 * The console's live protocol: socket.io namespace `/console`, websocket only, the session (or API) token in the handshake's `auth.token`. A connection may follow
 * several logs; `follow` is the client's number for each. Nothing is kept for a connection: after it is lost, the client follows again from the line that it
 * wants next, on any server.
 */
export const CONSOLE_NAMESPACE = '/console'
export const CONSOLE_ACK_TIMEOUT_MS = 10_000
export const MAX_FOLLOWS = 8

/**
 * Lines from `from` on (negative: counted from the end). Without `attempt`: the latest, and `log.state` says when another one begins. `maxBehind`: a client that is
 * further behind than this is sent only the newest half of so many lines; line numbers tell it what to fetch as pages.
 */
export const LogFollow = z.strictObject({
  follow: z.int().min(0),
  instanceId: z.uuid(),
  task: z.int().min(0).default(0),
  attempt: z.int().min(1).optional(),
  from: z.int().default(0),
  maxBehind: z.int().min(100).optional(),
})
export type LogFollow = z.infer<typeof LogFollow>
/** `total`: lines that are stored now. */
export const LogFollowing = z.object({ attempt: z.int(), total: z.int() })
export type LogFollowing = z.infer<typeof LogFollowing>

export const LogUnfollow = z.strictObject({ follow: z.int().min(0) })
export type LogUnfollow = z.infer<typeof LogUnfollow>

/** Lines of one attempt, in order. The next message comes when this one is acknowledged. `total`: lines that are stored, those of later messages too. */
export const LogLines = z.object({ follow: z.int(), total: z.int(), lines: z.array(LogLineView) })
export type LogLines = z.infer<typeof LogLines>

/** All lines have been sent. `status` is the instance's. `nextAttempt`: another attempt began, which the client follows next. `isEnd`: nothing more will come. */
export const LogState = FollowEnd.extend({ follow: z.int(), status: z.enum(INSTANCE_STATUSES), nextAttempt: z.int().optional(), isEnd: z.boolean() })
export type LogState = z.infer<typeof LogState>

/** The right to follow a log was withdrawn, or the log cannot be read on: nothing more of it will come. Wants no answer. */
export const LogDenied = z.object({ follow: z.int(), message: z.string() })
export type LogDenied = z.infer<typeof LogDenied>

export type Ack<T> = (reply: Reply<T>) => void

/** socket.io event maps; the same on both sides. */
export interface ConsoleToServer {
  'log.follow': (message: z.input<typeof LogFollow>, ack: Ack<LogFollowing>) => void
  'log.unfollow': (message: LogUnfollow, ack: Ack<Record<string, never>>) => void
}
export interface ServerToConsole {
  'log.lines': (message: LogLines, ack: () => void) => void
  'log.state': (message: LogState, ack: () => void) => void
  'log.denied': (message: LogDenied) => void
}

/** What a console may send: request and reply schema by event name. */
export const CONSOLE_MESSAGES = {
  'log.follow': { request: LogFollow, reply: LogFollowing },
  'log.unfollow': { request: LogUnfollow, reply: z.object({}) },
} as const
