import { type ServerSentEvent, readEvents } from './sse.js'

/** Anything that checks a value and gives it a type, such as a zod schema. */
export interface Parser<T> {
  parse(value: unknown): T
}

/** An answer that was not 2xx; `body` is the problem document where the server sent one. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  constructor(
    readonly status: number,
    readonly body: unknown,
    what: string,
  ) {
    super(`${what}: ${status} ${typeof body === 'string' ? body.slice(0, 500) : JSON.stringify(body)}`)
  }

  /** The code of the problem document, if there is one. */
  get code(): string | undefined {
    const { body } = this
    if (typeof body !== 'object' || body === null || !('code' in body)) return undefined
    return typeof body.code === 'string' ? body.code : undefined
  }
}

/** What a call needs besides its path. */
export interface RequestOptions {
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal
}

/** A small client of the HTTP API for start-up and tests; each call has a deadline. */
export class ApiClient {
  constructor(
    readonly baseUrl: string,
    readonly token?: string,
    private readonly timeoutMs = 30_000,
  ) {}

  /** A client that is signed in. */
  static async login(baseUrl: string, username: string, password: string): Promise<ApiClient> {
    const anonymous = new ApiClient(baseUrl)
    const session = await anonymous.post<{ accessToken: string }>('/api/auth/login', { username, password })
    return new ApiClient(baseUrl, session.accessToken)
  }

  /** The same sign-in at another address (a token is good on every server). */
  at(baseUrl: string): ApiClient {
    return new ApiClient(baseUrl, this.token, this.timeoutMs)
  }

  /** The answer as it is, whatever its status; the caller reads or cancels the body. */
  raw(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const headers: Record<string, string> = {
      ...(this.token === undefined ? {} : { authorization: `Bearer ${this.token}` }),
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      // Servers are killed while tests run: a pooled connection could be dead already, and a POST on it lost.
      connection: 'close',
      // Node 20's fetch takes a compressed body that breaks off for a whole one.
      'accept-encoding': 'identity',
      ...options.headers,
    }
    return fetch(new URL(path, this.baseUrl), {
      method,
      headers,
      signal: options.signal ?? AbortSignal.timeout(this.timeoutMs),
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    })
  }

  /** Without a parser the type is taken on trust. */
  get<T = unknown>(path: string, parser?: Parser<T>): Promise<T> {
    return this.call('GET', path, {}, parser)
  }

  post<T = unknown>(path: string, body: unknown = {}, parser?: Parser<T>): Promise<T> {
    return this.call('POST', path, { body }, parser)
  }

  patch<T = unknown>(path: string, body: unknown, parser?: Parser<T>): Promise<T> {
    return this.call('PATCH', path, { body }, parser)
  }

  delete<T = unknown>(path: string, parser?: Parser<T>): Promise<T> {
    return this.call('DELETE', path, {}, parser)
  }

  /** The body of a GET as text. */
  async text(path: string, headers: Record<string, string> = {}): Promise<string> {
    return (await this.bytes(path, headers)).toString('utf8')
  }

  /** The body of a GET, byte for byte. */
  async bytes(path: string, headers: Record<string, string> = {}): Promise<Buffer> {
    const response = await this.raw('GET', path, { headers })
    if (!response.ok) throw new ApiError(response.status, await bodyOf(response), `GET ${path}`)
    return Buffer.from(await response.arrayBuffer())
  }

  /**
   * Server-sent events of a path until the server ends them, the reader stops, or nothing (not even
   * a comment) came for `idleTimeoutMs`.
   */
  async *events(path: string, options: { lastEventId?: string; idleTimeoutMs?: number } = {}): AsyncGenerator<ServerSentEvent, void, undefined> {
    const abort = new AbortController()
    const idleMs = options.idleTimeoutMs ?? 120_000
    const expire = (): void => abort.abort(new Error(`GET ${path}: nothing for ${idleMs} ms`))
    let timer = setTimeout(expire, idleMs)
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' }
      if (options.lastEventId !== undefined) headers['last-event-id'] = options.lastEventId
      const response = await this.raw('GET', path, { headers, signal: abort.signal })
      if (!response.ok || response.body === null) {
        throw new ApiError(response.status, await bodyOf(response), `GET ${path}`)
      }
      yield* readEvents(response.body, () => {
        clearTimeout(timer)
        timer = setTimeout(expire, idleMs)
      })
    } finally {
      clearTimeout(timer)
      abort.abort()
    }
  }

  private async call<T>(method: string, path: string, options: RequestOptions, parser?: Parser<T>): Promise<T> {
    const response = await this.raw(method, path, options)
    const body = await bodyOf(response)
    if (!response.ok) throw new ApiError(response.status, body, `${method} ${path}`)
    return parser === undefined ? (body as T) : parser.parse(body)
  }
}

async function bodyOf(response: Response): Promise<unknown> {
  const text = await response.text()
  if (text === '' || !(response.headers.get('content-type') ?? '').includes('json')) return text
  return JSON.parse(text) as unknown
}
