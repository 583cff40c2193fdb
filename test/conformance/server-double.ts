import { createServer, type Server as HttpServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { waitFor } from '@jobtrail/deploy/wait'
import { AttemptKey, attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import type { ChunkHeader } from '@jobtrail/shared/log/chunk'
import type { Assignment } from '@jobtrail/shared/protocol/assignment'
import {
  type AttemptEnd,
  type ChunkResult,
  type Finished,
  type Heartbeat,
  type Hello,
  type LogMessage,
  MAX_FRAME_BYTES,
  MAX_LOG_MESSAGE_BYTES,
  type Progress,
  type Resume,
  type Seal,
  SERVER_MESSAGES,
  type Started,
  WORKER_MESSAGES,
  WORKER_NAMESPACE,
} from '@jobtrail/shared/protocol/worker'
import { Server, type Socket } from 'socket.io'
import type { z } from 'zod'
import { LogStore } from './log-store.js'

/**
 * What goes wrong with a message: `cut` ends the connection before acting on it · `lose` acts on it, then ends the connection instead of answering · `silent` never
 * answers · `refuse` refuses it · `delayMs` answers late · `value` answers this instead of the right answer.
 */
export type Fault = 'cut' | 'lose' | 'silent' | { refuse: string } | { delayMs: number } | { value: unknown }
type WorkerEvent = keyof typeof WORKER_MESSAGES
type MessageOf<E extends WorkerEvent> = z.output<(typeof WORKER_MESSAGES)[E]['request']>
/** Asked for each message of an event, counted from 0. */
type Script = (nth: number, message: never) => Fault | undefined
type Ack = (reply: unknown) => void

const WAIT_MS = 20_000
export const TOKEN = 'jtw_of-the-conformance-suite'

/** The server's side of the worker protocol on a real port. Faults are scripted by tests; `problems` lists what the worker did that no worker may do. */
export class ServerDouble {
  readonly hellos: Hello[] = []
  readonly heartbeats: Heartbeat[] = []
  readonly started: Started['attempts'] = []
  readonly progress: Progress['attempts'] = []
  /** Every reported end, repeated ones too. */
  readonly ends: AttemptEnd[] = []
  readonly problems: string[] = []
  readonly logs = new LogStore(this.problems)
  /** For the next answers. */
  stop: AttemptKey[] = []
  cancelled: AttemptKey[] = []
  isDrainWanted = false
  /** Attempts whose reports are refused. */
  readonly fenced = new Set<string>()
  /** While true, connections are turned away. */
  isDeaf = false
  turnedAway = 0
  connections = 0
  /** Streams of which `resume` says that the attempt is unknown. */
  readonly removed = new Set<string>()
  /** Decides about a chunk; undefined: as is right. */
  judge: (header: ChunkHeader) => ChunkResult | undefined = () => undefined
  private readonly scripts = new Map<WorkerEvent, Script>()
  private readonly counts = new Map<WorkerEvent, number>()
  private readonly given = new Set<string>()
  /** Accepted attempts without an acknowledged end, with the number of the beat that came before: each beat has to list them. */
  private readonly accepted = new Map<string, number>()
  private beats = 0
  private socket: Socket | undefined

  private constructor(
    private readonly http: HttpServer,
    private readonly io: Server,
    readonly leaseMs: number,
    private readonly heartbeatMs: number,
  ) {
    const namespace = io.of(WORKER_NAMESPACE)
    namespace.use((socket, next) => {
      if (this.isDeaf) {
        this.turnedAway++
        return next(refusal('UNAVAILABLE'))
      }
      next(socket.handshake.auth['token'] === TOKEN ? undefined : refusal('UNAUTHENTICATED'))
    })
    namespace.on('connection', (socket) => this.welcome(socket))
  }

  static async start({ leaseMs = 6_000, heartbeatMs = 200 } = {}): Promise<ServerDouble> {
    const http = createServer()
    const io = new Server(http, { transports: ['websocket'], maxHttpBufferSize: MAX_FRAME_BYTES, serveClient: false })
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    return new ServerDouble(http, io, leaseMs, heartbeatMs)
  }

  get url(): string {
    const address = this.http.address()
    if (address === null || typeof address === 'string') throw new Error('the server double does not listen')
    return `http://127.0.0.1:${address.port}`
  }

  get isConnected(): boolean {
    return this.socket?.connected === true
  }

  async close(): Promise<void> {
    await this.io.close()
  }

  /** What happens to messages of this event from now on. */
  script<E extends WorkerEvent>(event: E, decide: (nth: number, message: MessageOf<E>) => Fault | undefined): void {
    this.counts.set(event, 0)
    // Called with messages of its own event only, which the index of the map does not say.
    this.scripts.set(event, decide)
  }

  /** The same for the next message of this event only. */
  once(event: WorkerEvent, fault: Fault): void {
    this.script(event, (nth) => (nth === 0 ? fault : undefined))
  }

  /** How many messages of this event have come since the script for it was set. */
  scripted(event: WorkerEvent): number {
    return this.counts.get(event) ?? 0
  }

  /** The worker process is dead: it need no longer list what it accepted. */
  forgetAccepted(): void {
    this.accepted.clear()
  }

  /** Tells the worker that an attempt is no longer its own. */
  async fence(key: AttemptKey): Promise<void> {
    this.accepted.delete(attemptKeyString(key))
    await this.emit('fenced', { attempts: [key] })
  }

  /** Ends the connection without a word. */
  cut(): void {
    this.socket?.conn.close(true)
  }

  /** Waits for the nth hello, counted from 1. */
  async hello(nth = 1): Promise<Hello> {
    return waitFor(() => this.hellos[nth - 1], { timeoutMs: WAIT_MS, what: `hello number ${nth}` })
  }

  /** Waits for a heartbeat to come that meets the condition. */
  async heartbeat(what: string, condition: (beat: Heartbeat) => boolean): Promise<Heartbeat> {
    const from = this.heartbeats.length
    return waitFor(() => this.heartbeats.slice(from).find(condition), { timeoutMs: WAIT_MS, what: `a heartbeat: ${what}`, intervalMs: 20 })
  }

  /** Waits until the worker has said that it gave an attempt up. */
  async givenUp(key: AttemptKey): Promise<void> {
    const id = attemptKeyString(key)
    const isSaid = (): boolean => [...this.hellos, ...this.heartbeats].some(({ givenUp = [] }) => givenUp.some((each) => attemptKeyString(each) === id))
    await waitFor(isSaid, { timeoutMs: WAIT_MS, what: `${id} to be given up` })
  }

  /** Ends all faults. */
  heal(): void {
    this.scripts.clear()
    this.judge = () => undefined
  }

  run(...attempts: Assignment[]): Promise<string[]> {
    return this.runRaw(attempts)
  }

  /** Sends attempts in whatever form. */
  async runRaw(attempts: readonly unknown[]): Promise<string[]> {
    const keys = attempts.map((attempt) => AttemptKey.safeParse(attempt).data).map((key) => (key === undefined ? undefined : attemptKeyString(key)))
    for (const key of keys) if (key !== undefined) this.given.add(key)
    const reply = (await this.emit('run', { attempts })) as { ok: boolean; value: { results: string[] } }
    const { results } = reply.value
    results.forEach((result, i) => {
      const key = keys[i]
      if (result === 'accepted' && key !== undefined && !this.ends.some((end) => attemptKeyString(end) === key)) this.accepted.set(key, this.beats)
    })
    return results
  }

  /** Sends any event; resolves with the whole answer. */
  async emit(event: string, message: unknown): Promise<unknown> {
    const socket = await waitFor(() => (this.isConnected ? this.socket : undefined), { timeoutMs: WAIT_MS, what: 'the worker to be connected' })
    const reply: unknown = await socket.timeout(WAIT_MS).emitWithAck(event, message)
    const { ok, value } = reply as { ok: boolean; value?: unknown }
    if (ok && event in SERVER_MESSAGES) {
      const parsed = SERVER_MESSAGES[event as keyof typeof SERVER_MESSAGES].reply.safeParse(value)
      if (!parsed.success) this.problems.push(`${event} was answered ${JSON.stringify(reply)}`)
    }
    return reply
  }

  /** Waits until the end of an attempt was told. */
  async end(key: AttemptKey): Promise<AttemptEnd> {
    return waitFor(() => this.endOf(key), { timeoutMs: WAIT_MS, what: `the end of ${attemptKeyString(key)}`, intervalMs: 10 })
  }

  endOf(key: AttemptKey): AttemptEnd | undefined {
    return this.ends.findLast((end) => attemptKeyString(end) === attemptKeyString(key))
  }

  /** Waits until the log of an attempt is sealed; gives its lines as texts. */
  async sealed(key: AttemptKey): Promise<string[]> {
    const id = attemptKeyString(key)
    await waitFor(() => this.logs.sealed.has(id), { timeoutMs: WAIT_MS, what: `the log of ${id} to be sealed`, intervalMs: 10 })
    return this.logs.texts(key)
  }

  private welcome(socket: Socket): void {
    this.connections++
    this.socket = socket
    let hasSaidHello = false
    socket.onAny((event: string) => {
      if (hasSaidHello === (event === 'hello')) this.problems.push(hasSaidHello ? 'a second hello on one connection' : `${event} came before hello`)
      hasSaidHello ||= event === 'hello'
      if (!(event in WORKER_MESSAGES)) this.problems.push(`there is no event ${event}`)
    })
    for (const event of Object.keys(WORKER_MESSAGES) as WorkerEvent[]) {
      socket.on(event, (message: unknown, ...rest: unknown[]) => {
        const ack = rest.pop()
        if (typeof ack !== 'function') this.problems.push(`${event} asks for no acknowledgement`)
        else this.take(socket, event, message, rest[0], ack as Ack).catch((error: unknown) => this.problems.push(`${event}: ${String(error)}`))
      })
    }
  }

  private async take(socket: Socket, event: WorkerEvent, raw: unknown, body: unknown, ack: Ack): Promise<void> {
    const parsed = WORKER_MESSAGES[event].request.safeParse(raw)
    if (!parsed.success) {
      this.problems.push(`${event} cannot be read: ${parsed.error.message}`)
      return ack({ ok: false, code: 'VALIDATION_FAILED', message: parsed.error.message })
    }
    const nth = this.counts.get(event) ?? 0
    this.counts.set(event, nth + 1)
    const fault = this.scripts.get(event)?.(nth, parsed.data as never)
    if (fault === 'cut') socket.conn.close(true)
    if (fault === 'cut' || fault === 'silent') return
    if (typeof fault === 'object' && 'delayMs' in fault) await sleep(fault.delayMs)
    if (typeof fault === 'object' && 'refuse' in fault) return ack({ ok: false, code: fault.refuse, message: 'as scripted' })
    if (typeof fault === 'object' && 'value' in fault) return ack({ ok: true, value: fault.value })
    const value = this.act(event, parsed.data, body)
    if (fault === 'lose') socket.conn.close(true)
    // Workers ignore members that they do not know.
    else ack({ ok: true, value: { ...value, 'of-a-later-version': { answer: 42 } } })
  }

  /** docs/protocol.md: forget nothing you accepted. A beat may have been on its way when an attempt was accepted, so the one after it counts. */
  private checkListed({ attempts, givenUp = [] }: Pick<Heartbeat, 'attempts' | 'givenUp'>): void {
    const listed = new Set(attempts.map(attemptKeyString))
    for (const key of givenUp) this.accepted.delete(attemptKeyString(key))
    for (const [key, beat] of this.accepted) if (beat < this.beats && !listed.has(key)) this.problems.push(`${key} was accepted and is not listed`)
    this.beats++
  }

  /** What the worker is told to kill now. */
  private stopped(): AttemptKey[] {
    const stop = this.stop.splice(0)
    for (const key of stop) this.accepted.delete(attemptKeyString(key))
    return stop
  }

  private act(event: WorkerEvent, message: unknown, body: unknown): object {
    switch (event) {
      case 'hello':
        this.hellos.push(message as Hello)
        this.checkListed(message as Hello)
        return { serverId: 'double', leaseMs: this.leaseMs, heartbeatMs: this.heartbeatMs, stop: this.stopped(), drain: this.isDrainWanted }
      case 'heartbeat':
        this.heartbeats.push(message as Heartbeat)
        this.checkListed(message as Heartbeat)
        return { stop: this.stopped(), cancel: this.cancelled.splice(0), drain: this.isDrainWanted }
      case 'resume':
        return { results: (message as Resume).streams.map((key) => this.stateOf(key)) }
      case 'started':
        this.started.push(...(message as Started).attempts)
        return { results: (message as Started).attempts.map((key) => this.verdict(key)) }
      case 'finished':
        this.ends.push(...(message as Finished).attempts)
        for (const key of (message as Finished).attempts) this.accepted.delete(attemptKeyString(key))
        return { results: (message as Finished).attempts.map((key) => this.verdict(key)) }
      case 'progress':
        this.progress.push(...(message as Progress).attempts)
        return {}
      case 'log':
        return { results: this.takeChunks(message as LogMessage, body) }
      case 'seal':
        return { results: (message as Seal).streams.map(({ totals, ...key }) => this.seal(key, totals)) }
    }
  }

  private stateOf(key: AttemptKey) {
    if (this.removed.has(attemptKeyString(key))) return { state: 'unknown' as const, ranges: [] }
    return { state: this.logs.sealed.has(attemptKeyString(key)) ? ('sealed' as const) : ('open' as const), ranges: this.logs.ranges(key) }
  }

  private verdict(key: AttemptKey): 'ok' | 'fenced' {
    const id = attemptKeyString(key)
    if (!this.given.has(id)) this.problems.push(`${id} was never given to the worker`)
    if (!this.fenced.has(id)) return 'ok'
    this.accepted.delete(id)
    return 'fenced'
  }

  private takeChunks({ chunks }: LogMessage, body: unknown): ChunkResult[] {
    const bodies = Buffer.isBuffer(body) ? body : Buffer.alloc(0)
    if (chunks.length > 1 && bodies.length > MAX_LOG_MESSAGE_BYTES) this.problems.push(`${chunks.length} chunks with ${bodies.length} bytes in one message`)
    let at = 0
    const results = chunks.map((header): ChunkResult => {
      const data = Buffer.from(bodies.subarray(at, at + header.size))
      at += header.size
      this.logs.see(header, data)
      return this.judge(header) ?? this.logs.take(header, data)
    })
    if (at !== bodies.length) this.problems.push(`the bodies of a log message have ${bodies.length} bytes, its headers say ${at}`)
    return results
  }

  private seal(key: AttemptKey, totals: Seal['streams'][number]['totals']) {
    const end = this.endOf(key)
    if (end !== undefined && JSON.stringify(end.log) !== JSON.stringify(totals)) this.problems.push(`${attemptKeyString(key)}: other totals than at its end`)
    return this.logs.seal(key, totals)
  }
}

const refusal = (code: string): Error => Object.assign(new Error('refused by the server double'), { data: { code } })
