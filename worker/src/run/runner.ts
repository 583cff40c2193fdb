import { readUserValue } from '@jobtrail/protocol/json/json-text'
import { resultOf } from '@jobtrail/protocol/wire/attempt-result'
import type { Assignment } from '@jobtrail/protocol/wire/assignment'
import type { AttemptEnd } from '@jobtrail/protocol/wire/worker'
import { describeError, systemCode } from '../errors.js'
import type { StreamLog } from '../log/pipeline.js'

/** What a runner gets for one attempt. */
export interface RunContext {
  readonly assignment: Assignment
  /** The attempt's key string. */
  readonly key: string
  readonly stream: StreamLog
  /** To be called once, when the work begins. */
  onStarted: () => void
  onProgress: (percent: number | null, message: string | null) => void
}

/** What an end says of the result. */
type Result = Pick<AttemptEnd, 'result' | 'resultText'>
/** `problem`: why it was left out. */
export type ReadResult = Result & { problem: string | null }

/** How the work itself ended; whether it was asked to stop is known elsewhere. */
export type Outcome = {
  isSuccess: boolean
  exitCode: number | null
  signal: string | null
  error: string | null
  /** What of it still runs and could not be ended, for people. */
  killProblem?: string
  /** Every further attempt would end the same way. */
  isFinal?: true
} & Result

/** One attempt under way. */
export interface Execution {
  /** Never rejects. Afterwards nothing of the attempt writes to its log any more. */
  readonly done: Promise<Outcome>
  /** Never rejects. When its slot is free again; later than `done` only for a handler that does not heed its signal and for processes that cannot be killed. */
  readonly released: Promise<void>
  /** Asks it to end, and ends it by force after the job's grace time. False when the work had ended by itself: that end counts. */
  stop(reason: string): boolean
  /** Ends it by force, now. */
  kill(reason: string): void
}

/** Runs attempts of one processor kind. `start` may throw: the attempt has then failed. */
export interface Runner {
  start(context: RunContext): Execution
}

/** For processors that this worker cannot read. Another one may be newer, so it is not final. */
export const unreadable: Runner = {
  start({ assignment: { processor } }) {
    throw new Error(`This worker cannot run it${processor.kind === 'unreadable' ? `: ${processor.problem}` : ''}`)
  },
}

export const failure = (error: string): Outcome => ({ isSuccess: false, exitCode: null, signal: null, error, result: null })

/** No worker could ever start it. */
export class NeverStartsError extends Error {}

/** Of an attempt that could not even begin. What the kernel or Node would never start is not tried again. */
export function startFailure(error: unknown): Outcome {
  const code = systemCode(error)
  if (code === 'E2BIG')
    return { ...failure('Could not start: arguments, environment and params are larger than a process may have on this worker'), isFinal: true }
  if (code === 'ERR_INVALID_ARG_VALUE') return { ...failure(`Could not start: ${describeError(error)}`), isFinal: true }
  if (error instanceof NeverStartsError) return { ...failure(error.message), isFinal: true }
  return failure(describeError(error))
}

/** A result as it is sent: JSON within the bounds. What is no such thing is left out, and `problem` says why. */
export function normalizeResult(value: unknown): ReadResult {
  return value === undefined || value === null ? { result: null, problem: null } : resultOf(readUserValue(value))
}
