import { randomUUID } from 'node:crypto'
import { waitFor } from '@jobtrail/deploy/wait'
import type { AttemptKey } from '@jobtrail/shared/domain/attempt-key'
import type { StreamTotals } from '@jobtrail/shared/log/chunk'
import type { Chunk } from '@jobtrail/shared/log/chunk-builder'
import type { Assignment } from '@jobtrail/shared/protocol/assignment'
import {
  AttemptReply,
  type AttemptEnd,
  type ChunkResult,
  type Heartbeat,
  HeartbeatReply,
  INVALID,
  type Hello,
  LogReply,
  PROTOCOL_VERSION,
  ProgressReply,
  Resumed,
  replyOf,
  Run,
  SealReply,
  Welcome,
  WORKER_NAMESPACE,
} from '@jobtrail/shared/protocol/worker'
import { io, type Socket } from 'socket.io-client'
import type { z } from 'zod'

const ANSWER_TIMEOUT_MS = 15_000

/** A worker made by hand, after docs/protocol.md: it runs nothing, and says whatever a test wants it to say. It accepts every attempt that it is given. */
export class ProtocolWorker {
  /** Set before it connects, it pretends to be another worker. */
  workerId: string = randomUUID()
  private incarnation = randomUUID()
  /** The process before it, which is dead. */
  private replaces: string | undefined
  /** What it was given, in order. */
  readonly given: Assignment[] = []
  private socket: Socket | undefined

  constructor(
    private readonly token: string,
    /** Its name, and its only tag, by which jobs are routed to it. */
    readonly tag: string,
    private readonly slots = 1,
  ) {}

  /** Connects to a server, or anew to another one, and says hello. `attempts`: what it says that it runs. `more`: what else it says. */
  async connect(
    url: string,
    attempts: readonly AttemptKey[] = [],
    more: Partial<Pick<Hello, 'spooled' | 'givenUp' | 'sentAt' | 'group' | 'understands'>> = {},
  ): Promise<Welcome> {
    this.disconnect()
    const socket = io(`${url}${WORKER_NAMESPACE}`, { transports: ['websocket'], auth: { token: this.token }, reconnection: false, forceNew: true })
    this.socket = socket
    socket.on('run', (message: unknown, ack: (reply: unknown) => void) => {
      const run = Run.parse(message)
      this.given.push(...run.attempts)
      ack({ ok: true, value: { results: run.attempts.map(() => 'accepted') } })
    })
    for (const event of ['config', 'cancel', 'fenced']) socket.on(event, (_message: unknown, ack: (reply: unknown) => void) => ack({ ok: true, value: {} }))
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('connect_error', reject))
    return this.hello(attempts, more)
  }

  /** What comes first on each connection; {@link connect} says it. */
  hello(attempts: readonly AttemptKey[] = [], more: Partial<Hello> = {}): Promise<Welcome> {
    const { workerId, tag, slots } = this
    return this.ask(Welcome, 'hello', {
      ...{ protocol: PROTOCOL_VERSION, workerId, name: tag, group: 'default', tags: [tag], handlers: [], slots },
      ...{ version: '0', host: 'test', pid: process.pid, startedAt: Date.now(), attempts: attempts.map(keyOf), incarnation: this.incarnation },
      understands: [INVALID],
      ...(this.replaces === undefined ? {} : { replaces: this.replaces }),
      ...more,
    })
  }

  get isConnected(): boolean {
    return this.socket?.connected === true
  }

  /** It is another process from now on. */
  restart(): void {
    this.disconnect()
    this.replaces = this.incarnation
    this.incarnation = randomUUID()
  }

  /** The next process of the same worker; this one does not know that it is replaced. */
  successor(): ProtocolWorker {
    const next = new ProtocolWorker(this.token, this.tag, this.slots)
    next.workerId = this.workerId
    next.replaces = this.incarnation
    return next
  }

  disconnect(): void {
    this.socket?.disconnect()
    this.socket = undefined
  }

  /** Waits until it was given an attempt of an instance. */
  assignment(instanceId: string, attempt: number): Promise<Assignment> {
    return waitFor(() => this.given.find((each) => each.instanceId === instanceId && each.attempt === attempt), {
      timeoutMs: 60_000,
      what: `attempt ${attempt} of ${instanceId} to come to ${this.tag}`,
    })
  }

  async log(chunks: readonly Chunk[]): Promise<ChunkResult[]> {
    const { results } = await this.ask(LogReply, 'log', { chunks: chunks.map(({ header }) => header) }, Buffer.concat(chunks.map(({ data }) => data)))
    return results
  }

  async seal(key: AttemptKey, totals: StreamTotals): Promise<SealReply['results'][number] | undefined> {
    return (await this.ask(SealReply, 'seal', { streams: [{ ...keyOf(key), totals }] })).results[0]
  }

  async resume(key: AttemptKey): Promise<Resumed['results'][number] | undefined> {
    return (await this.ask(Resumed, 'resume', { streams: [keyOf(key)] })).results[0]
  }

  async started(key: AttemptKey, startedAt = Date.now()): Promise<string | undefined> {
    return (await this.ask(AttemptReply, 'started', { attempts: [{ ...keyOf(key), startedAt }] })).results[0]
  }

  async progress(key: AttemptKey, percent: number): Promise<void> {
    await this.progressAll([{ ...keyOf(key), percent, message: null }])
  }

  /** Says how far several attempts are, in whatever form. */
  progressAll(attempts: readonly unknown[]): Promise<ProgressReply> {
    return this.ask(ProgressReply, 'progress', { attempts })
  }

  async finished(key: AttemptKey, log: StreamTotals, more: Partial<AttemptEnd> = {}): Promise<string | undefined> {
    const end: AttemptEnd = {
      ...{ ...keyOf(key), status: 'SUCCEEDED', startedAt: Date.now(), finishedAt: Date.now(), exitCode: 0, signal: null, error: null, result: null, log },
      ...more,
    }
    return (await this.ask(AttemptReply, 'finished', { attempts: [end] })).results[0]
  }

  /** Says of several attempts at once that they started, in whatever form. */
  startedAll(attempts: readonly unknown[]): Promise<AttemptReply> {
    return this.ask(AttemptReply, 'started', { attempts })
  }

  /** Says of several attempts at once how they ended, in whatever form. */
  finishedAll(attempts: readonly unknown[]): Promise<AttemptReply> {
    return this.ask(AttemptReply, 'finished', { attempts })
  }

  /** `attempts`: what it says that it runs. */
  heartbeat(attempts: readonly AttemptKey[], more: Partial<Pick<Heartbeat, 'givenUp'>> = {}): Promise<HeartbeatReply> {
    const state = { freeSlots: this.slots - attempts.length, isDraining: false, spoolBytes: 0 }
    return this.ask(HeartbeatReply, 'heartbeat', { attempts: attempts.map(keyOf), ...state, ...more })
  }

  private async ask<T extends z.ZodType>(schema: T, event: string, ...message: unknown[]): Promise<z.output<T>> {
    if (this.socket === undefined) throw new Error(`${this.tag} is not connected`)
    const answer: unknown = await this.socket.timeout(ANSWER_TIMEOUT_MS).emitWithAck(event, ...message)
    const reply = replyOf(schema).parse(answer) as { ok: true; value: z.output<T> } | { ok: false; code: string; message: string }
    if (!reply.ok) throw new Error(`${event} was refused: ${reply.code} ${reply.message}`)
    return reply.value
  }
}

/** The key alone. */
function keyOf({ instanceId, task, attempt }: AttemptKey): AttemptKey {
  return { instanceId, task, attempt }
}
