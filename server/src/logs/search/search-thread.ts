import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'
import { basename } from 'node:path'
import { parentPort } from 'node:worker_threads'
import { ValidationError } from '@jobtrail/protocol/domain/errors'
import type { FromThread, ToThread } from './search-messages.js'
import { SearchTask } from './search-task.js'

/** The program of a search thread: one search at a time. Whatever takes too long here is ended from outside. */
const LOW_PRIORITY = 5
const isLinux = process.platform === 'linux'

// Linux gives each thread a priority of its own, and 0 is the calling one; elsewhere it would be the whole server.
if (isLinux) setPriority(0, LOW_PRIORITY)

const port = parentPort
if (port === null) throw new Error('This file is the program of a worker thread')
const answer = (message: FromThread): void => port.postMessage(message)
let task: SearchTask | undefined

function handle(message: ToThread): void {
  if (message.kind === 'begin') {
    task = new SearchTask(message.order)
    return answer({ kind: 'begun' })
  }
  if (task === undefined) throw new Error('No search has begun')
  if (message.kind === 'end') return answer({ kind: 'done', ...task.takeStep(true) })
  for (const { header, data } of message.chunks) {
    if (task.isOver) break
    // A message carries plain bytes, not a Buffer.
    const chunk = { header, data: Buffer.from(data.buffer, data.byteOffset, data.byteLength) }
    for (const _ of task.search(chunk)) answer({ kind: 'step', ...task.takeStep() })
  }
  answer({ kind: 'done', ...task.takeStep() })
}

port.on('message', (message: ToThread) => {
  try {
    handle(message)
  } catch (error) {
    const [field] = error instanceof ValidationError ? (error.details.fields ?? []) : []
    if (field !== undefined) return answer({ kind: 'invalid', ...field })
    answer({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })
  }
})
// "<process>/task/<thread>"
answer({ kind: 'ready', threadId: isLinux ? basename(readlinkSync('/proc/thread-self')) : undefined })
