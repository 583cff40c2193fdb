import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import type { StreamTotals } from '@jobtrail/protocol/log/chunk'

/** What the engine has to tell, and to ask, about the logs of attempts. Implemented by `logs/`. */
export abstract class AttemptLogs {
  /** The attempts have ended, and announced these totals for their logs; null: they could not be read. Idempotent. */
  abstract attemptsEnded(ended: readonly (AttemptKey & { totals: StreamTotals | null })[]): Promise<void>
  /** Nothing more is expected of the log, for this reason. Idempotent. */
  abstract interrupt(key: AttemptKey, reason: string): Promise<void>
  /** Whether any output of the attempt is stored. */
  abstract hasLines(key: AttemptKey): Promise<boolean>
}
