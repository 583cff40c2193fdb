import { Agent, request } from 'node:http'
import type { ApiClient } from '@jobtrail/deploy/api-client'

/** An answer read to its end. */
export interface HttpAnswer {
  status: number
  body: Buffer
  /** From the call to the last byte. */
  ms: number
}

const TIMEOUT_MS = 60_000

/** HTTP with connections that are kept, as a program that calls the API often has it. */
export class HttpClient {
  private readonly agent: Agent
  private readonly url: URL
  private readonly token: string

  constructor(api: ApiClient, connections = 64) {
    if (api.token === undefined) throw new Error('the client has to be signed in')
    this.agent = new Agent({ keepAlive: true, maxSockets: connections })
    this.url = new URL(api.baseUrl)
    this.token = api.token
  }

  get(path: string): Promise<HttpAnswer> {
    return this.call('GET', path)
  }

  async post<T>(path: string, body: unknown): Promise<T> {
    const answer = await this.call('POST', path, JSON.stringify(body))
    return JSON.parse(answer.body.toString()) as T
  }

  close(): void {
    this.agent.destroy()
  }

  private call(method: string, path: string, body?: string): Promise<HttpAnswer> {
    const startedAt = performance.now()
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          agent: this.agent,
          host: this.url.hostname,
          port: this.url.port,
          method,
          path,
          timeout: TIMEOUT_MS,
          headers: {
            authorization: `Bearer ${this.token}`,
            ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          },
        },
        (incoming) => {
          const parts: Buffer[] = []
          incoming.on('data', (part: Buffer) => parts.push(part))
          incoming.once('error', reject)
          incoming.once('end', () => {
            const status = incoming.statusCode ?? 0
            const answer = { status, body: Buffer.concat(parts), ms: performance.now() - startedAt }
            if (status >= 200 && status < 300) resolve(answer)
            else reject(new Error(`${method} ${path}: ${status} ${answer.body.toString('utf8', 0, 500)}`))
          })
        },
      )
      outgoing.once('timeout', () => outgoing.destroy(new Error(`${method} ${path}: nothing for ${TIMEOUT_MS} ms`)))
      outgoing.once('error', reject)
      outgoing.end(body)
    })
  }
}

/** Calls `work` for each number below `count`, at most `concurrency` at a time. */
export async function inParallel(count: number, concurrency: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: Math.min(count, concurrency) }, lane))
}
