import type { LogLineView } from '@jobtrail/api/logs'
import { type SseBlock, textFrom } from './sse.js'

const DATA = '\ndata: '

/** The lines of a block from line `from` on, as they were encoded for Server-Sent Events. */
export function linesFrom(block: SseBlock, from: number): LogLineView[] {
  const events = textFrom(block, from).toString('utf8').split('\n\n')
  // The last one is what follows the last event: nothing.
  events.pop()
  return events.map((event) => JSON.parse(event.slice(event.indexOf(DATA) + DATA.length)) as LogLineView)
}
