import { format } from 'node:util'
import type { Assignment } from '@jobtrail/protocol/wire/assignment'
import { describeError } from '../errors.js'
import type { Side } from '../log/stream-log.js'
import type { Handler, HandlerContext, HandlerLog } from '../sdk-types.js'
import { failure, normalizeResult, type Outcome } from './runner.js'
import { paramsTextOf } from './shell-env.js'

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
