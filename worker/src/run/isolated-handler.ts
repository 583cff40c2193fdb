import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { FromHandler, type ToHandler } from './handler-messages.js'
import { type Execution, failure, type Outcome, type RunContext } from './runner.js'
import type { HandlerModule } from '../sdk-types.js'
import type { ShellRunner } from './shell.js'

const PROCESS_MODULE = fileURLToPath(new URL('./handler-process.js', import.meta.url))

/** Runs handlers as processes, by the same means as scripts: output by pipes, everything ended with the attempt, killed by the guard at the end of the lease. */
export class IsolatedHandlers {
  constructor(
    private readonly shell: ShellRunner,
    private readonly processModule = PROCESS_MODULE,
  ) {}

  start(context: RunContext, { module }: HandlerModule, handler: string): Execution {
    const { assignment } = context
    const { paramsText: _paramsText, ...withoutParams } = assignment
    let child: ChildProcess | undefined
    let said: Outcome | undefined
    const send = (message: ToHandler): void => {
      // A process that is on its way out: its exit tells.
      if (child?.connected === true) child.send(message, () => undefined)
    }
    const receive = (raw: unknown): void => {
      const message = FromHandler.safeParse(raw)
      if (!message.success) return
      if (message.data.kind === 'progress') context.onProgress(message.data.percent, message.data.message)
      else said = outcomeOf(message.data)
    }
    const execution = this.shell.start(
      {
        ...context,
        // Secrets go by message: what the handler starts does not inherit them. So do params: a function takes any, an environment does not.
        assignment: {
          ...withoutParams,
          params: {},
          secrets: {},
          processor: { kind: 'shell', command: process.execPath, args: ['--enable-source-maps', this.processModule] },
        },
      },
      (started) => {
        child = started
        child.on('message', receive)
        send({ kind: 'start', module: module instanceof URL ? fileURLToPath(module) : module, handler, context: assignment })
      },
    )
    return {
      done: execution.done.then((outcome) => merge(outcome, said)),
      released: execution.released,
      stop: (reason) => {
        send({ kind: 'stop', reason })
        return execution.stop(reason)
      },
      kill: (reason) => execution.kill(reason),
    }
  }
}

function outcomeOf(message: Exclude<FromHandler, { kind: 'progress' }>): Outcome {
  if (message.kind === 'failed') return failure(message.error)
  const { result: text, isText, problem } = message
  const result: unknown = text === null || isText ? null : JSON.parse(text)
  return { isSuccess: true, exitCode: null, signal: null, error: problem, result, ...(text !== null && isText ? { resultText: text } : {}) }
}

/** What the handler said counts; without a word, how its process ended. */
function merge(process: Outcome, said: Outcome | undefined): Outcome {
  const stuck = process.killProblem === undefined ? {} : { killProblem: process.killProblem }
  if (said !== undefined) return { ...said, ...stuck, error: said.error ?? (process.isSuccess ? process.error : null) }
  return {
    ...failure(`The handler's process ended without a word: ${process.error ?? 'Exit code 0'}`),
    ...stuck,
    exitCode: process.exitCode,
    signal: process.signal,
  }
}
