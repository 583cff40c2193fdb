import { pathToFileURL } from 'node:url'
import { handlersOf } from '../handlers-module.js'
import { callHandler, type HandlerOutput, makeContext } from './handler-call.js'
import { type FromHandler, ToHandler } from './handler-messages.js'

/**
 * The process of one attempt of an isolated handler: imports the module, calls the function, and says how it ended. What it prints goes to the pipes that it was
 * started with, as with any process; so a blocked event loop or a crash is its own affair, and it can be killed.
 */
const abort = new AbortController()
const output: HandlerOutput = {
  isOpen: true,
  write: (side, bytes) => process[side].write(bytes),
}

async function run({ module, handler, context }: Extract<ToHandler, { kind: 'start' }>): Promise<void> {
  const imported: unknown = await import(pathToFileURL(module).href)
  const found = handlersOf(imported).get(handler)
  if (found === undefined) throw new Error(`${module} exports no handler "${handler}"`)
  const outcome = await callHandler(
    found,
    makeContext(context, output, abort.signal, (percent, message) => tell({ kind: 'progress', percent, message })),
    output,
  )
  const { isSuccess, error: problem, result, resultText } = outcome
  if (!isSuccess) return end({ kind: 'failed', error: problem ?? 'Failed' })
  const isText = resultText !== undefined
  end({ kind: 'succeeded', result: resultText ?? (result === null ? null : JSON.stringify(result)), isText, problem })
}

function tell(message: FromHandler, done: () => void = () => undefined): void {
  process.send?.(message, undefined, undefined, done)
}

/** What the function left behind (timers, connections) does not keep the process. */
function end(message: FromHandler): void {
  tell(message, () => process.exit(0))
}

// The worker's message says why; its signal is for processes that the handler started.
process.on('SIGTERM', () => undefined)
process.on('disconnect', () => process.exit(1))
process.on('message', (raw) => {
  const message = ToHandler.parse(raw)
  if (message.kind === 'stop') abort.abort(new Error(message.reason))
  else void run(message).catch((error: unknown) => end({ kind: 'failed', error: error instanceof Error ? error.message : String(error) }))
})
