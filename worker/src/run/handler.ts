import { format } from 'node:util'
import { describeError } from '../errors.js'
import type { Side, StreamLog } from '../log/stream-log.js'
import { type OutputSink, withOutput } from './output-capture.js'
import { type Execution, failure, normalizeResult, type Outcome, type RunContext, type Runner } from './runner.js'

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
  readonly params: Readonly<Record<string, unknown>>
  readonly log: HandlerLog
  /** Aborted on cancel, time-out, a stopping worker and a lost lease. A handler has to heed it: a function cannot be killed. */
  readonly signal: AbortSignal
  /** `percent` from 0 to 100, or null when unknown. */
  progress(percent: number | null, message?: string): void
}

/** A job's function. What it returns (JSON, at most 64 KiB) is the result; what it throws fails the attempt. */
export type Handler = (context: HandlerContext) => unknown

/** Calls functions registered with the SDK. */
export class HandlerRunner implements Runner {
  constructor(private readonly handlers: ReadonlyMap<string, Handler>) {}

  start(context: RunContext): Execution {
    const { processor } = context.assignment
    if (processor.kind !== 'handler') throw new TypeError(`not a handler: ${processor.kind}`)
    const handler = this.handlers.get(processor.handler)
    if (handler === undefined) throw new Error(`No handler "${processor.handler}" is registered with this worker`)
    return new HandlerExecution(context, handler)
  }
}

class HandlerExecution implements Execution {
  readonly done: Promise<Outcome>
  readonly released: Promise<void>
  private readonly abort = new AbortController()
  private force: (outcome: Outcome) => void = () => undefined
  private grace: NodeJS.Timeout | undefined

  constructor(
    private readonly context: RunContext,
    handler: Handler,
  ) {
    const sink = new HandlerSink(context.stream)
    context.onStarted()
    const work = call(handler, sink, makeContext(context, sink, this.abort.signal))
    this.released = work.then(() => undefined)
    this.done = new Promise<Outcome>((resolve) => {
      this.force = resolve
      void work.then(resolve)
    }).finally(() => {
      clearTimeout(this.grace)
      sink.isOpen = false
    })
  }

  stop(reason: string): boolean {
    if (this.abort.signal.aborted) return true
    const { killGraceMs } = this.context.assignment
    this.abort.abort(new Error(reason))
    this.grace = setTimeout(() => this.force(failure(`${reason}; the handler did not heed its signal within ${killGraceMs} ms and still runs`)), killGraceMs)
    return true
  }

  kill(reason: string): void {
    this.abort.abort(new Error(reason))
    this.force(failure(reason))
  }
}

/** Never rejects. */
async function call(handler: Handler, sink: OutputSink, context: HandlerContext): Promise<Outcome> {
  try {
    const { problem, ...result } = normalizeResult(await withOutput(sink, () => handler(context)))
    return { isSuccess: true, exitCode: null, signal: null, error: problem, ...result }
  } catch (error) {
    // The stack belongs where the rest of the output is; that it was told to stop needs none.
    if (sink.isOpen && error !== context.signal.reason) sink.write('stderr', Buffer.from(`${format(error)}\n`))
    return failure(errorText(error))
  }
}

class HandlerSink implements OutputSink {
  isOpen = true

  constructor(private readonly stream: StreamLog) {}

  write(side: Side, bytes: Buffer): boolean {
    return this.stream.write(side, bytes)
  }

  writable(): Promise<void> {
    return this.stream.writable()
  }
}

function makeContext({ assignment, onProgress }: RunContext, sink: HandlerSink, signal: AbortSignal): HandlerContext {
  const { instanceId, task, attempt, jobName, scheduledFor, params } = assignment
  return {
    instanceId,
    task,
    attempt,
    jobName,
    scheduledFor,
    params,
    signal,
    log: makeLog(sink),
    progress(percent, message) {
      if (!sink.isOpen) return
      if (percent !== null && !(percent >= 0 && percent <= 100)) throw new RangeError(`progress: ${percent} is not a percentage from 0 to 100`)
      onProgress(percent, message ?? null)
    },
  }
}

function makeLog(sink: HandlerSink): HandlerLog {
  const at =
    (side: Side, level: string) =>
    (...args: unknown[]): void => {
      if (sink.isOpen) sink.write(side, Buffer.from(`${level} ${format(...args)}\n`))
    }
  return { debug: at('stdout', 'DEBUG'), info: at('stdout', 'INFO'), warn: at('stderr', 'WARN'), error: at('stderr', 'ERROR') }
}

const errorText = (error: unknown): string => (error instanceof Error ? `${error.name}: ${describeError(error)}` : `Thrown: ${format(error)}`)
