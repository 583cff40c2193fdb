import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'

/** An answer as it came over the wire. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Nobody answered, or not to the end: the connection was refused, broke off or was silent for too long. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

/** An answer that says that something which the server needs is away. */
const AWAY = new Set([502, 503, 504])

export const isAway = ({ status }: Answer): boolean => AWAY.has(status)

export interface Question {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** The body as it is sent: JSON text. */
  readonly body?: string
  /** The longest silence. */
  readonly silenceMs?: number
  /** The longest answer that is read. */
  readonly maxBytes?: number
}

const SILENCE_MS = 12_000
const MAX_BYTES = 64 * 1_048_576

function open(url: string, token: string | undefined, question: Question): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string> = {
      // Servers are killed all the time: a connection that is kept could be dead already.
      connection: 'close',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(question.body === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(question.body)) }),
      ...question.headers,
    }
    const silenceMs = question.silenceMs ?? SILENCE_MS
    const asked = request(url, { method: question.method ?? 'GET', headers, agent: false, timeout: silenceMs }, resolve)
    asked.on('timeout', () => asked.destroy(new Error(`nothing for ${silenceMs} ms`)))
    asked.on('error', (error) => reject(new Unreachable(`${url}: ${error.message}`, { cause: error })))
    asked.end(question.body)
  })
}

/** Asks once; throws {@link Unreachable} when there is no whole answer. */
export async function ask(url: string, token: string | undefined, question: Question = {}): Promise<Answer> {
  const response = await open(url, token, question)
  const parts: Buffer[] = []
  let bytes = 0
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      parts.push(part)
      bytes += part.length
      if (bytes > (question.maxBytes ?? MAX_BYTES)) throw new Error('the answer is longer than it should be')
    }
  } catch (error) {
    throw new Unreachable(`${url}: the answer broke off: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  } finally {
    response.destroy()
  }
  if (!response.complete) throw new Unreachable(`${url}: the answer broke off`)
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }
}

/** One server-sent event. */
export interface StreamEvent {
  readonly event: string
  readonly id: string | undefined
  readonly data: string
}

/** Reads server-sent events until the stream ends, which is no error, or breaks, which is {@link Unreachable}. An answer that is no stream is returned. */
export async function* listen(url: string, token: string | undefined, question: Question): AsyncGenerator<StreamEvent, Answer | undefined, undefined> {
  const response = await open(url, token, { ...question, headers: { accept: 'text/event-stream', ...question.headers } })
  try {
    if (response.statusCode !== 200) {
      const parts: Buffer[] = []
      for await (const part of response as AsyncIterable<Buffer>) parts.push(part)
      return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }
    }
    response.setEncoding('utf8')
    let rest = ''
    for await (const text of response as AsyncIterable<string>) {
      rest += text
      for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
        const event = parseEvent(rest.slice(0, end))
        rest = rest.slice(end + 2)
        if (event !== undefined) yield event
      }
    }
    return undefined
  } catch (error) {
    if (error instanceof Unreachable) throw error
    throw new Unreachable(`${url}: the stream broke off: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  } finally {
    response.destroy()
  }
}

export function parseEvent(block: string): StreamEvent | undefined {
  let event = 'message'
  let id: string | undefined
  const data: string[] = []
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':')
    if (colon <= 0) continue // a comment
    const value = line.slice(colon + 1).replace(/^ /, '')
    const name = line.slice(0, colon)
    if (name === 'event') event = value
    else if (name === 'id') id = value
    else if (name === 'data') data.push(value)
  }
  return data.length === 0 && event === 'message' ? undefined : { event, id, data: data.join('\n') }
}
