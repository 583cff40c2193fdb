/** One event of a `text/event-stream`. */
export interface ServerSentEvent {
  /** `message` unless the server named it. */
  event: string
  data: string
  id: string | undefined
}

function parseEvent(block: string): ServerSentEvent | undefined {
  let event = 'message'
  let id: string | undefined
  const data: string[] = []
  for (const line of block.split(/\r\n|\n|\r/)) {
    const match = /^([^:]+): ?(.*)$/s.exec(line)
    if (match === null) continue // a comment, which only keeps the connection alive
    const value = match[2] ?? ''
    if (match[1] === 'data') data.push(value)
    else if (match[1] === 'event') event = value
    else if (match[1] === 'id') id = value
  }
  return data.length === 0 && event === 'message' ? undefined : { event, data: data.join('\n'), id }
}

/** Reads events from a stream; `onBytes` is told whenever anything arrives, comments too. */
export async function* readEvents(stream: AsyncIterable<Uint8Array>, onBytes: () => void = () => undefined): AsyncGenerator<ServerSentEvent, void, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const bytes of stream) {
    onBytes()
    rest += decoder.decode(bytes, { stream: true })
    const blocks = rest.split(/\r\n\r\n|\n\n|\r\r/)
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const event = parseEvent(block)
      if (event !== undefined) yield event
    }
  }
}
