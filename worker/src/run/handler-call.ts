import { format } from 'node:util'
import type { Assignment } from '@jobtrail/protocol/wire/assignment'
import { describeError } from '../errors.js'
import type { Side } from '../log/stream-log.js'
import { failure, normalizeResult, type Outcome } from './runner.js'
import { paramsTextOf } from './shell-env.js'

/** Writes lines to the attempt's log: debug and info as stdout, warn and error as stderr; arguments as `console.log` takes them. */
export interface HandlerLog {
  debug(...args: unknown[]): void
  info(...args: unknown[]): void
  warn(...args: unknown[]): void
  error(...args: unknown[]): void
}

/** What a handler is called with. */
export interface HandlerContext {
  readonly instanceId: string
  readonly task: number
  /** From 1; a retry has the next number. */
  readonly attempt: number
  readonly jobName: string
  /** ISO 8601; null for a run that was asked for. */
  readonly scheduledFor: string | null
  /** As JavaScript values: numbers are doubles (12345678901234567890 is rounded, 1e400 is Infinity), and of a key twice the last counts. Give such numbers as text. */
  readonly params: Readonly<Record<string, unknown>>
  /** The job's secrets by name. Their values are masked in log, result, error and progress. */
  readonly secrets: Readonly<Record<string, string>>
  readonly log: HandlerLog
  /** Aborted on cancel, time-out, a stopping worker and a lost lease. A handler has to heed it: a function cannot be killed. */
  readonly signal: AbortSignal
  /** `percent` from 0 to 100, or null when unknown. */
  progress(percent: number | null, message?: string): void
}

/** A job's function. What it returns (JSON, at most 64 KiB) is the result; what it throws fails the attempt. */
export type Handler = (context: HandlerContext) => unknown

/** What a handler is told of its run. */
export type HandlerFacts = Pick<HandlerContext, 'instanceId' | 'task' | 'attempt' | 'jobName' | 'scheduledFor' | 'params' | 'secrets'> &
  Pick<Assignment, 'paramsText'>

/** Where its lines go; closed once its attempt has ended. */
export interface HandlerOutput {
  readonly isOpen: boolean
  write(side: Side, bytes: Buffer): boolean
}

/** Never rejects. */
export async function callHandler(handler: Handler, context: HandlerContext, output: HandlerOutput): Promise<Outcome> {
  try {
    const { problem, ...result } = normalizeResult(await handler(context))
    return { isSuccess: true, exitCode: null, signal: null, error: problem, ...result }
  } catch (error) {
    // The stack belongs where the rest of the output is; that it was told to stop needs none.
    if (output.isOpen && error !== context.signal.reason) output.write('stderr', Buffer.from(`${format(error)}\n`))
    return failure(errorText(error))
  }
}

export function makeContext(
  { instanceId, task, attempt, jobName, scheduledFor, params, paramsText, secrets }: HandlerFacts,
  output: HandlerOutput,
  signal: AbortSignal,
  onProgress: (percent: number | null, message: string | null) => void,
): HandlerContext {
  return {
    instanceId,
    task,
    attempt,
    jobName,
    scheduledFor,
    params: JSON.parse(paramsTextOf({ params, paramsText })) as Record<string, unknown>,
    secrets: Object.freeze({ ...secrets }),
    signal,
    log: makeLog(output),
    progress(percent, message) {
      if (!output.isOpen) return
      if (percent !== null && !(percent >= 0 && percent <= 100)) throw new RangeError(`progress: ${percent} is not a percentage from 0 to 100`)
      onProgress(percent, message ?? null)
    },
  }
}

function makeLog(output: HandlerOutput): HandlerLog {
  const at =
    (side: Side, level: string) =>
    (...args: unknown[]): void => {
      if (output.isOpen) output.write(side, Buffer.from(`${level} ${format(...args)}\n`))
    }
  return { debug: at('stdout', 'DEBUG'), info: at('stdout', 'INFO'), warn: at('stderr', 'WARN'), error: at('stderr', 'ERROR') }
}

const errorText = (error: unknown): string => (error instanceof Error ? `${error.name}: ${describeError(error)}` : `Thrown: ${format(error)}`)
