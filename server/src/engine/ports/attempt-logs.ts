import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import type { StreamTotals } from '@jobtrail/protocol/log/chunk'

/** Whose a log is: what is stored of a log says so, and needs no look at its run. */
export type LogOwner = { namespace: string; jobId: string }
export type OwnedAttempt = AttemptKey & LogOwner

/** What the engine has to tell, and to ask, about the logs of attempts. Implemented by `logs/`. */
export abstract class AttemptLogs {
  /** The attempts have ended, and announced these totals for their logs; null: they could not be read. Idempotent. */
  abstract attemptsEnded(ended: readonly (OwnedAttempt & { totals: StreamTotals | null })[]): Promise<void>
  /** Nothing more is expected of the log, for this reason. Idempotent. */
  abstract interrupt(key: OwnedAttempt, reason: string): Promise<void>
  /** Whether any output of the attempt is stored. */
  abstract hasLines(key: OwnedAttempt): Promise<boolean>
}
