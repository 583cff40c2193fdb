import type { Side, StreamLog } from '../log/stream-log.js'
import { type OutputSink, withOutput } from './output-capture.js'
import type { Handler, HandlerModule } from '../sdk-types.js'
import { callHandler, makeContext } from './handler-call.js'
import type { IsolatedHandlers } from './isolated-handler.js'
import { type Execution, failure, type Outcome, type RunContext, type Runner } from './runner.js'

/** Calls functions registered with the SDK. */
export class HandlerRunner implements Runner {
  constructor(
    private readonly handlers: ReadonlyMap<string, Handler | HandlerModule>,
    private readonly isolated?: IsolatedHandlers,
  ) {}

  start(context: RunContext): Execution {
    const { processor } = context.assignment
    if (processor.kind !== 'handler') throw new TypeError(`not a handler: ${processor.kind}`)
    const handler = this.handlers.get(processor.handler)
    if (handler === undefined) throw new Error(`No handler "${processor.handler}" is registered with this worker`)
    if (typeof handler === 'function') return new HandlerExecution(context, handler)
    if (this.isolated === undefined) throw new Error('Handlers cannot be isolated here')
    return this.isolated.start(context, handler, processor.handler)
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
    const handlerContext = makeContext(context.assignment, sink, this.abort.signal, context.onProgress)
    const work = withOutput(sink, () => callHandler(handler, handlerContext, sink))
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
    this.grace = setTimeout(
      () => this.leaveBehind(failure(`${reason}; the handler did not heed its signal within ${killGraceMs} ms and still runs`)),
      killGraceMs,
    )
    return true
  }

  kill(reason: string): void {
    this.abort.abort(new Error(reason))
    this.leaveBehind(failure(reason))
  }

  /** What it prints from now on is no longer part of the attempt. */
  private leaveBehind(outcome: Outcome): void {
    this.context.stream.cutOff('the handler still runs; what it prints after this line is missing')
    this.force(outcome)
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
