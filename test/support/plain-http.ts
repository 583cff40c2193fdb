import { type IncomingHttpHeaders, request } from 'node:http'

/** An answer as it came over the wire: nothing is decompressed, followed or joined. */
export interface PlainAnswer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

const TIMEOUT_MS = 60_000

/** What a request needs besides its URL. */
export interface PlainOptions {
  method?: string
  headers?: Record<string, string>
  /** Sent as it is, in place of that of the URL, which is tidied up. */
  path?: string
  body?: string
  /** The address that the request comes from, such as another one of 127.0.0.0/8. */
  localAddress?: string
}

/** One HTTP request without the conveniences of `fetch`, which hides encodings. Rejects when the answer breaks off. */
export function plainRequest(url: URL, { body, ...options }: PlainOptions = {}): Promise<PlainAnswer> {
  return new Promise((resolve, reject) => {
    const { method = 'GET' } = options
    const outgoing = request(url, { ...options, agent: false, timeout: TIMEOUT_MS }, (incoming) => {
      const parts: Buffer[] = []
      incoming.on('data', (part: Buffer) => parts.push(part))
      incoming.once('error', reject)
      incoming.once('end', () => {
        if (incoming.complete) resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(parts) })
        else reject(new Error(`${method} ${url.pathname}: the answer broke off`))
      })
    })
    outgoing.once('timeout', () => outgoing.destroy(new Error(`${method} ${url.pathname}: nothing for ${TIMEOUT_MS} ms`)))
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}
