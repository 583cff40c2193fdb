import {
  ACK_TIMEOUT_MS,
  AttemptReply,
  type Hello,
  HeartbeatReply,
  LogReply,
  ProgressReply,
  ReceivedRun,
  Resumed,
  type RunReply,
  SealReply,
  SERVER_MESSAGES,
  Welcome,
  type WORKER_MESSAGES,
  WORKER_NAMESPACE,
  replyOf,
} from '@jobtrail/shared/protocol/worker'
import type { Logger } from 'pino'
import { Manager, type Socket } from 'socket.io-client'
import { z } from 'zod'
import { describeError, NoAnswerError, NotConnectedError, RefusedError } from './errors.js'
import { leaseClock } from './lease.js'

type WorkerMessages = typeof WORKER_MESSAGES
type ServerMessages = typeof SERVER_MESSAGES
export type WorkerEvent = keyof WorkerMessages
export type MessageOf<E extends WorkerEvent> = z.output<WorkerMessages[E]['request']>
export type ReplyTo<E extends WorkerEvent> = z.output<WorkerMessages[E]['reply']>

/** Whoever can ask a server something now. */
export interface RequestSender {
  readonly isConnected: boolean
  request<E extends WorkerEvent>(event: E, message: MessageOf<E>, options?: { body?: Buffer; timeoutMs?: number }): Promise<ReplyTo<E>>
}

/** What a server may ask of the worker, once the messages are checked. */
export interface ServerCommands {
  run(message: ReceivedRun): RunReply
  cancel(message: z.output<ServerMessages['cancel']['request']>): void
  fenced(message: z.output<ServerMessages['fenced']['request']>): void
  config(message: z.output<ServerMessages['config']['request']>): void
}

const REPLIES = {
  hello: replyOf(Welcome),
  resume: replyOf(Resumed),
  started: replyOf(AttemptReply),
  finished: replyOf(AttemptReply),
  log: replyOf(LogReply),
  seal: replyOf(SealReply),
  heartbeat: replyOf(HeartbeatReply),
  progress: replyOf(ProgressReply),
} satisfies Record<WorkerEvent, z.ZodType>

const CONNECT_TIMEOUT_MS = 5_000

/** What a server that did not let the worker in says of the reason; undefined where the connection just failed. */
const Refusal = z.object({ code: z.string() })
function refusalOf(error: Error & { data?: unknown }): RefusedError | undefined {
  const refusal = Refusal.safeParse(error.data)
  return refusal.success ? new RefusedError('connect', refusal.data.code, error.message) : undefined
}

/** A socket of one server, which is not connected yet and connects only once. */
function makeSocket(url: string, token: string): { manager: Manager; socket: Socket } {
  const { protocol, host, pathname } = new URL(url)
  const manager = new Manager(`${protocol}//${host}`, {
    path: `${pathname.replace(/\/+$/, '')}/socket.io/`,
    transports: ['websocket'],
    reconnection: false,
    autoConnect: false,
    timeout: CONNECT_TIMEOUT_MS,
  })
  return { manager, socket: manager.socket(WORKER_NAMESPACE, { auth: { token } }) }
}

/**
 * Connects, which a server allows to those with a token that it knows. A handshake that the server cut emits only `disconnect`, a refused one only `connect_error`, a lost
 * packet neither: whichever comes first. `ended`: why it is given up meanwhile.
 */
function connectSocket(url: string, manager: Manager, socket: Socket, ended: Promise<string>): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      clearTimeout(timer)
      reject(error instanceof RefusedError ? error : new NotConnectedError(`${url} did not accept the connection`, error))
    }
    const timer = setTimeout(() => fail(new Error(`no answer within ${CONNECT_TIMEOUT_MS} ms`)), CONNECT_TIMEOUT_MS)
    socket.once('connect', () => {
      clearTimeout(timer)
      resolve()
    })
    socket.once('connect_error', (error: Error & { data?: unknown }) => fail(refusalOf(error) ?? error))
    manager.once('error', fail)
    void ended.then((reason) => fail(new Error(reason)))
    socket.connect()
  })
}

/** Connects and leaves again, without a hello: the server checks the token and gets to know no worker. Rejects as {@link Session.open} does. */
export async function tryToConnect(url: string, token: string): Promise<void> {
  const { manager, socket } = makeSocket(url, token)
  const ended = new Promise<string>((resolve) => socket.once('disconnect', resolve))
  try {
    await connectSocket(url, manager, socket, ended)
  } finally {
    socket.removeAllListeners()
    socket.disconnect()
    manager.engine?.close()
  }
}

export interface SessionOptions {
  url: string
  token: string
  log: Logger
  commands: ServerCommands
  makeHello: () => Hello
  /** Called in the same turn in which the answer arrives, before any later message of the server. `sentAt`: lease clock. */
  onWelcome(welcome: Welcome, sentAt: number): void
}

/**
 * One connection from its opening to its end; it is never opened again. States: opening → ready (hello answered) → leaving (no new work, no new
 * requests) → closed. What arrives in another state than ready starts nothing.
 */
export class Session implements RequestSender {
  private state: 'opening' | 'ready' | 'leaving' | 'closed' = 'opening'
  private readonly manager: Manager
  private readonly socket: Socket
  private readonly pending = new Set<(error: Error) => void>()
  private idle: (() => void) | undefined
  private end: (reason: string) => void = () => undefined
  /** Resolves with the reason when the connection is over. */
  readonly ended: Promise<string>

  constructor(private readonly options: SessionOptions) {
    const { manager, socket } = makeSocket(options.url, options.token)
    this.manager = manager
    this.socket = socket
    this.ended = new Promise((resolve) => (this.end = resolve))
    this.socket.on('disconnect', (reason) => this.close(reason))
    this.listenToCommands()
  }

  get isConnected(): boolean {
    return this.state === 'ready'
  }

  /** Connects and says hello. Rejects, with the session closed, when that fails or takes too long. */
  async open(): Promise<void> {
    try {
      await connectSocket(this.options.url, this.manager, this.socket, this.ended)
      await this.sayHello()
    } catch (error) {
      this.close('not opened')
      throw error
    }
  }

  request<E extends WorkerEvent>(event: E, message: MessageOf<E>, options: { body?: Buffer; timeoutMs?: number } = {}): Promise<ReplyTo<E>> {
    if (this.state !== 'ready') return Promise.reject(new NotConnectedError(this.state))
    return this.ask(event, message, options)
  }

  /** Takes no new work and no new requests; resolves when those under way are answered, or after `timeoutMs`. */
  async leave(timeoutMs: number): Promise<void> {
    if (this.state === 'ready') this.state = 'leaving'
    if (this.pending.size === 0 || this.state === 'closed') return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.idle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  close(reason: string): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    this.socket.removeAllListeners()
    this.socket.offAny()
    this.socket.disconnect()
    this.manager.engine?.close()
    for (const fail of [...this.pending]) fail(new NotConnectedError(reason))
    this.end(reason)
  }

  private async sayHello(): Promise<void> {
    const sentAt = leaseClock()
    await this.ask('hello', this.options.makeHello(), {
      onAnswer: (welcome) => {
        this.state = 'ready'
        this.options.onWelcome(welcome, sentAt)
      },
    })
  }

  /** `onAnswer` runs within the acknowledgement itself: a `run` that follows in the same packet of bytes is handled after it. */
  private ask<E extends WorkerEvent>(
    event: E,
    message: MessageOf<E>,
    { body, timeoutMs = ACK_TIMEOUT_MS, onAnswer }: { body?: Buffer; timeoutMs?: number; onAnswer?: (value: ReplyTo<E>) => void },
  ): Promise<ReplyTo<E>> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        if (!this.pending.delete(fail)) return
        clearTimeout(timer)
        act()
        if (this.pending.size === 0) this.idle?.()
      }
      const fail = (error: Error) => settle(() => reject(error))
      const timer = setTimeout(() => fail(new NoAnswerError(event, `none within ${timeoutMs} ms`)), timeoutMs)
      this.pending.add(fail)
      const acknowledge = (raw: unknown) =>
        settle(() => {
          const parsed = REPLIES[event].safeParse(raw)
          if (!parsed.success) return reject(new NoAnswerError(event, parsed.error.message))
          if (!parsed.data.ok) return reject(new RefusedError(event, parsed.data.code, parsed.data.message))
          // The schema above is the one that the catalog has for this event; the compiler cannot follow the index.
          const value = parsed.data.value as ReplyTo<E>
          onAnswer?.(value)
          resolve(value)
        })
      if (body === undefined) this.socket.emit(event, message, acknowledge)
      else this.socket.emit(event, message, body, acknowledge)
    })
  }

  private listenToCommands(): void {
    const { commands, log } = this.options
    this.listen('run', ReceivedRun, (message) => (this.state === 'ready' ? commands.run(message) : { results: message.attempts.map(() => 'refused') }))
    this.listen('cancel', SERVER_MESSAGES.cancel.request, (message) => (commands.cancel(message), {}))
    this.listen('fenced', SERVER_MESSAGES.fenced.request, (message) => (commands.fenced(message), {}))
    this.listen('config', SERVER_MESSAGES.config.request, (message) => (commands.config(message), {}))
    this.socket.onAny((event: string, ...args: unknown[]) => {
      if (event in SERVER_MESSAGES) return
      log.warn({ event }, 'the server sent an event that is not in the catalog')
      const ack = args.at(-1)
      if (typeof ack === 'function') ack({ ok: false, code: 'VALIDATION_FAILED', message: `unknown event ${event}` })
    })
  }

  private listen<S extends z.ZodType>(event: keyof ServerMessages, schema: S, act: (message: z.output<S>) => object): void {
    const name: string = event
    this.socket.on(name, (raw: unknown, ack: unknown) => {
      if (this.state === 'closed') return
      if (typeof ack !== 'function') {
        this.options.log.warn({ event }, 'the server sent a message without acknowledgement; ignored')
        return
      }
      const parsed = schema.safeParse(raw)
      if (!parsed.success) {
        this.options.log.warn({ event, problem: parsed.error.message }, 'the server sent a bad message')
        ack({ ok: false, code: 'VALIDATION_FAILED', message: parsed.error.message })
        return
      }
      try {
        ack({ ok: true, value: act(parsed.data) })
      } catch (error) {
        this.options.log.error({ err: error, event }, 'a message of the server could not be acted on')
        ack({ ok: false, code: 'INTERNAL', message: describeError(error) })
      }
    })
  }
}
