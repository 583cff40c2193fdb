import type { Assignment } from '@jobtrail/shared/protocol/worker'
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

/** How the work itself ended; whether it was asked to stop is known elsewhere. */
export type Outcome = { isSuccess: boolean; exitCode: number | null; signal: string | null; error: string | null; result: unknown }

/** One attempt under way. */
export interface Execution {
  /** Never rejects. Afterwards nothing of the attempt writes to its log any more. */
  readonly done: Promise<Outcome>
  /** When its slot is free again; later than `done` only for a handler that does not heed its signal. */
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

export const failure = (error: string): Outcome => ({ isSuccess: false, exitCode: null, signal: null, error, result: null })

/** A result as it is sent: JSON of at most 64 KiB. What is no such thing is left out, and `problem` says why. */
export function normalizeResult(value: unknown): { result: unknown; problem: string | null } {
  if (value === undefined || value === null) return { result: null, problem: null }
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (error) {
    return { result: null, problem: `The result was left out: it cannot be written as JSON (${error instanceof Error ? error.message : String(error)})` }
  }
  return text === undefined ? { result: null, problem: 'The result was left out: it cannot be written as JSON' } : parseResult(text)
}

export const MAX_RESULT_BYTES = 64 * 1024

/** As {@link normalizeResult}, from text. */
export function parseResult(text: string): { result: unknown; problem: string | null } {
  if (Buffer.byteLength(text) > MAX_RESULT_BYTES)
    return { result: null, problem: `The result was left out: it is larger than ${MAX_RESULT_BYTES} bytes of JSON` }
  try {
    const result: unknown = JSON.parse(text)
    return { result, problem: null }
  } catch (error) {
    return { result: null, problem: `The result was left out: it is not JSON (${error instanceof Error ? error.message : String(error)})` }
  }
}
