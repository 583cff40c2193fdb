import { Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import type { z } from 'zod'
import { type AttemptKey, attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { AppError, type ErrorCode } from '@jobtrail/shared/domain/errors'
import {
  type AttemptReply,
  type AttemptResult,
  Empty,
  type LogMessage,
  type LogReply,
  type Progress,
  type ProgressReply,
  type ReportedEnd,
  type Resume,
  type Resumed,
  type Seal,
  type SealReply,
  type WORKER_MESSAGES,
  WORKER_NAMESPACE,
} from '@jobtrail/shared/protocol/worker'
import { WorkerTokensService } from '../auth/tokens/worker-tokens.service.js'
import { Completion } from '../engine/completion.js'
import { Leases } from '../engine/leases.js'
import type { LogOwner } from '../engine/ports/attempt-logs.js'
import { LogIngestService } from '../logs/log-ingest.service.js'
import type { LogRef } from '../logs/log-ref.js'
import { LogStreamsService } from '../logs/log-streams.service.js'
import { Clock } from '../platform/clock.js'
import { Logger, withLogContext } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { Shutdown } from '../platform/shutdown.js'
import { SignalBus } from '../platform/signals.js'
import { Sockets } from '../platform/sockets.js'
import { askWorker } from './ask-worker.js'
import { mendEnd, mendStart } from './mend-items.js'
import { type BadItem, type ItemProblem, MAX_NAMED, problemsOf, readMessage, type Requests, withBadItems, type WorkerEvent } from './read-message.js'
import { splitBodies } from './split-bodies.js'
import { type WorkerConnection, WorkerRegistry } from './worker-registry.js'
import type { WorkerSocket } from './worker-socket.js'
import { WorkerTokenWatch } from './worker-token-watch.js'
import { REVOKED, type WorkerRights, WorkerSessions } from './worker-sessions.js'

type Replies = { [E in WorkerEvent]: z.input<(typeof WORKER_MESSAGES)[E]['reply']> }

/** Messages of one worker that may be worked on at a time; further ones are refused as BUSY. */
const MAX_PENDING = 512
/** Which streams are a connection's own, and whose runs they are of, never changes; this many are remembered. */
const MAX_OWNED = 20_000
const HAND_OVER_POLL_MS = 50
const HAND_OVER_MS = 4_000

/** One connection as the gateway sees it. */
type Session = {
  socket: WorkerSocket
  rights: WorkerRights
  /** A `hello` is being answered, or was. */
  hasGreeted: boolean
  connection: WorkerConnection | undefined
  owned: Map<string, LogOwner | undefined>
  pending: number
}

/** The worker protocol's server side: parses, hands to the features, acknowledges. A bad message is refused with its reason; the connection lives on. */
@Injectable()
export class WorkersGateway implements OnApplicationBootstrap {
  constructor(
    private readonly sockets: Sockets,
    private readonly tokens: WorkerTokensService,
    private readonly tokenWatch: WorkerTokenWatch,
    private readonly sessions: WorkerSessions,
    private readonly registry: WorkerRegistry,
    private readonly leases: Leases,
    private readonly completion: Completion,
    private readonly ingest: LogIngestService,
    private readonly streams: LogStreamsService,
    private readonly signals: SignalBus,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly shutdown: Shutdown,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    const namespace = this.sockets.server.of(WORKER_NAMESPACE)
    namespace.use((socket, next) => void this.authenticate(socket, next))
    namespace.on('connection', (socket: WorkerSocket) => this.accept(socket))
    this.signals.on('cancel', ({ workerId, attempts }) => void this.cancel(workerId, attempts))
    this.signals.on('drain', ({ workerId }) => void this.drainChanged(workerId))
    this.shutdown.register('handOver', 'workers', () => this.handOver())
    this.shutdown.register('finish', 'reports', () => this.completion.idle())
  }

  private async authenticate(socket: WorkerSocket, next: (error?: Error) => void): Promise<void> {
    let refusal: Error | undefined
    try {
      socket.data = { rights: await this.rightsOf(socket) }
    } catch (error) {
      // socket.io sends the message and `data`: by the code a worker knows that trying again is no use.
      refusal =
        error instanceof AppError
          ? Object.assign(new Error(error.message), { data: { code: error.code } })
          : new Error('The server could not check the token; try again')
    }
    next(refusal)
  }

  private async rightsOf(socket: WorkerSocket): Promise<WorkerRights> {
    if (this.shutdown.isDraining) throw new AppError('UNAVAILABLE', 'This server is leaving; connect again')
    const { token } = socket.handshake.auth
    const rights = typeof token === 'string' ? await this.tokens.authenticate(token) : undefined
    if (rights === undefined) throw new AppError('UNAUTHENTICATED', 'token: unknown; make one with POST /api/worker-tokens')
    if (!rights.isRevoked) return rights
    await this.sessions.refuse(rights)
    throw new AppError('UNAUTHENTICATED', REVOKED)
  }

  /** A revoked token ends the connections made with it, not only new ones. */
  private endRevoked({ socket, rights, connection }: Session): void {
    if (connection !== undefined) connection.isRevoked = true
    this.logger.warn('A worker was disconnected: its token was revoked', { worker: connection?.id, tokenId: rights.tokenId })
    socket.disconnect(true)
    this.sessions.refuse(rights).catch((err: unknown) => this.logger.warn('Could not note why a worker is away', { tokenId: rights.tokenId, err }))
  }

  private accept(socket: WorkerSocket): void {
    const { rights } = socket.data as { rights: WorkerRights }
    const session: Session = { socket, rights, hasGreeted: false, connection: undefined, owned: new Map(), pending: 0 }
    this.tokenWatch.watch(socket, rights.tokenId, () => this.endRevoked(session))
    socket.on('disconnect', (reason) => {
      if (session.connection === undefined) return
      this.logger.info('A worker disconnected', { worker: session.connection.id, reason })
      this.sessions.close(session.connection).catch((err: unknown) => this.logger.warn('Could not note that a worker left', { err }))
    })
    this.handle(session, 'hello', async (message, _none, bad) => {
      if (this.shutdown.isDraining) throw new AppError('UNAVAILABLE', 'This server is leaving; connect again')
      const { welcome, connection } = await this.greet(session, () => this.sessions.hello(socket, rights, message, { isWhole: bad.length === 0 }))
      session.connection = connection
      this.logger.info('A worker connected', { worker: connection.id, name: connection.name, held: message.attempts.length })
      setImmediate(() => this.sessions.open(connection))
      return { ...welcome, ...problemsIn(bad) }
    })
    this.handle(session, 'heartbeat', async (message, connection, bad) => {
      const receivedAt = this.clock.now()
      connection.correct(message.attempts, message.freeSlots)
      if (message.sentAt !== undefined) connection.clock.sample(message.sentAt, receivedAt)
      if (!(await this.tokenWatch.isValid(session.socket))) throw new AppError('UNAUTHENTICATED', REVOKED)
      const reply = await this.sessions.heartbeat(connection, message, receivedAt, { isWhole: bad.length === 0 })
      return { ...reply, ...problemsIn(bad) }
    })
    this.handle(session, 'started', async ({ attempts }, connection, bad): Promise<AttemptReply> => {
      const started = (each: (typeof attempts)[number]) => this.completion.started(each, each.startedAt, connection.reporterOf(each))
      const mended = Promise.all(bad.flatMap(({ item }) => mendStart(item) ?? []).map(started))
      const [results] = await Promise.all([Promise.all(attempts.map(started)), mended])
      return withBadItems<AttemptResult>({ results }, bad, connection.unread)
    })
    this.handle(session, 'finished', async ({ attempts: read }, connection, bad): Promise<AttemptReply> => {
      const attempts: ReportedEnd[] = [...read, ...bad.flatMap(({ item, message }) => mendEnd(item, message) ?? [])]
      // What is next need not wait until the ends are written. Of a handler that goes on after its end the slot is not free: then the worker refuses.
      const reporters = attempts.map((end) => connection.reporterOf(end))
      for (const end of attempts) connection.letGo(end)
      this.registry.capacityChanged()
      const results = await Promise.all(attempts.map((end, i) => this.completion.finished(end, reporters[i] ?? connection.reporterOf(end))))
      return withBadItems<AttemptResult>({ results: results.slice(0, read.length) }, bad, connection.unread)
    })
    this.handle(session, 'progress', async (message, connection, bad): Promise<ProgressReply> => {
      await this.progress(message, connection)
      return problemsIn(bad)
    })
    this.handle(session, 'resume', async (message, _connection, bad): Promise<Resumed> => {
      return withBadItems(await this.resume(session, message), bad, { state: 'unknown', ranges: [] })
    })
    this.handle(session, 'seal', async (message, _connection, bad): Promise<SealReply> => {
      return withBadItems(await this.seal(session, message), bad, { state: 'conflict', missing: [] })
    })
    this.handle(session, 'log', async (message, _connection, bad, bodies): Promise<LogReply> => {
      return withBadItems(await this.log(session, message, splitBodies(message.chunks, bad, bodies)), bad, 'refused')
    })
  }

  /** One `hello` per connection: what was sent over it since the first would count as never sent, and run twice. A `hello` that was refused may be said again. */
  private async greet<T>(session: Session, hello: () => Promise<T>): Promise<T> {
    if (session.hasGreeted) throw new AppError('VALIDATION_FAILED', 'hello: was said on this connection already; connect again to say it anew')
    session.hasGreeted = true
    try {
      return await hello()
    } catch (error) {
      session.hasGreeted = false
      throw error
    }
  }

  /** Wires one event: schema, hello first, bound on what is pending, answer or refusal. `bad`: items of the message's list that could not be read and are not in it. */
  private handle<E extends WorkerEvent>(
    session: Session,
    event: E,
    work: (message: Requests[E], connection: WorkerConnection, bad: BadItem[], bodies: unknown) => Promise<Replies[E]>,
  ): void {
    const listen = session.socket as unknown as { on(event: string, listener: (...args: unknown[]) => void): void }
    listen.on(event, (...args) => {
      const ack = args.at(-1)
      if (typeof ack !== 'function') return this.refused(session, event, 'sent without asking for an answer')
      const refuse = (code: ErrorCode, message: string): void => {
        this.refused(session, event, message)
        ack({ ok: false, code, message })
      }
      if (session.pending >= MAX_PENDING) return refuse('BUSY', `more than ${MAX_PENDING} messages without an answer`)
      const read = readMessage(event, args[0])
      if ('problem' in read) return refuse('VALIDATION_FAILED', read.problem)
      const named = read.bad.slice(0, MAX_NAMED).map(({ message }) => message)
      if (named.length > 0) this.refused(session, event, named.join('; '), read.bad.length)
      const { connection } = session
      if (connection === undefined && event !== 'hello') return refuse('HELLO_FIRST', 'say hello first')
      session.pending++
      withLogContext({ workerId: connection?.id ?? session.rights.tokenId }, () => work(read.message, connection as WorkerConnection, read.bad, args[1]))
        .then(
          (value) => ack({ ok: true, value }),
          (error: unknown) => {
            if (error instanceof AppError) return refuse(error.code, error.message)
            this.logger.warn('Could not answer a worker', { event, err: error })
            ack({ ok: false, code: 'UNAVAILABLE', message: 'The server could not do it now; send it again' })
          },
        )
        .finally(() => session.pending--)
    })
  }

  /** `items`: only so many of its list. */
  private refused(session: Session, event: WorkerEvent, reason: string, items?: number): void {
    this.metrics.badMessages.inc({ event }, items)
    this.logger.warn('Refused a message of a worker', { event, worker: session.connection?.id ?? session.rights.tokenId, reason, items })
  }

  private async log(session: Session, { chunks }: LogMessage, bodies: readonly Buffer[]): Promise<LogReply> {
    const owned = await this.ownStreams(session, chunks)
    const mine = chunks.flatMap((header, i) => {
      const [ref, data] = [owned[i], bodies[i]]
      return ref !== undefined && data !== undefined ? [{ header, data, ref }] : []
    })
    const stored = await this.ingest.put(mine)
    let next = 0
    return { results: owned.map((ref) => (ref === undefined ? 'refused' : (stored[next++] ?? 'busy'))) }
  }

  private async resume(session: Session, { streams }: Resume): Promise<Resumed> {
    const owned = await this.ownStreams(session, streams)
    const known = await this.streams.resume(owned.filter((ref) => ref !== undefined))
    let at = 0
    return { results: owned.map((ref) => (ref === undefined ? undefined : known[at++]) ?? { state: 'unknown', ranges: [] }) }
  }

  private async seal(session: Session, { streams }: Seal): Promise<SealReply> {
    const owned = await this.ownStreams(session, streams)
    const mine = streams.flatMap(({ totals }, i) => {
      const ref = owned[i]
      return ref === undefined ? [] : { ...ref, totals }
    })
    const lost = await this.leases.lostAmong(mine.filter(({ totals }) => totals.losses === undefined))
    const known = await this.streams.seal(mine.map((stream) => ({ ...stream, isLost: lost.has(attemptKeyString(stream)) })))
    let at = 0
    return { results: owned.map((ref) => (ref === undefined ? undefined : known[at++]) ?? { state: 'unknown', missing: [] }) }
  }

  private async progress({ attempts }: Progress, connection: WorkerConnection): Promise<void> {
    await this.completion.progressed(
      attempts.map(({ percent, message, ...key }) => ({ key, progress: { percent, message } })),
      connection.process,
    )
  }

  /** The streams that are of attempts which this worker was given, by its own name, now or in a former life; undefined for others. */
  private async ownStreams(session: Session, keys: readonly AttemptKey[]): Promise<(LogRef | undefined)[]> {
    const unknown = keys.filter((key) => !session.owned.has(attemptKeyString(key)))
    if (unknown.length > 0) {
      const holders = await this.leases.holdersOf(unknown)
      if (session.owned.size > MAX_OWNED) session.owned.clear()
      for (const [key, { workerId, owner }] of holders) session.owned.set(key, workerId === session.connection?.id ? owner : undefined)
    }
    return keys.map((key) => {
      const owner = session.owned.get(attemptKeyString(key))
      return owner === undefined ? undefined : { instanceId: key.instanceId, task: key.task, attempt: key.attempt, ...owner }
    })
  }

  private async cancel(workerId: string, attempts: AttemptKey[]): Promise<void> {
    const connection = this.registry.get(workerId)
    if (connection === undefined) return
    try {
      await askWorker(connection.socket, 'cancel', { attempts }, Empty)
    } catch (err) {
      this.logger.warn('A worker did not answer to a cancel; its next heartbeat repeats it', { worker: workerId, err })
    }
  }

  private async drainChanged(workerId: string): Promise<void> {
    try {
      await this.sessions.drainChanged(workerId)
    } catch (err) {
      this.logger.warn('A worker was not told of its draining; the answer to its next heartbeat does', { worker: workerId, err })
    }
  }

  /** Sends workers to another server; resolves when they have gone, or were cut off. */
  private async handOver(): Promise<void> {
    await Promise.allSettled(this.registry.all.map(({ socket }) => askWorker(socket, 'config', { reconnect: true }, Empty)))
    const deadline = performance.now() + HAND_OVER_MS
    while (this.registry.all.length > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, HAND_OVER_POLL_MS))
    for (const { socket } of this.registry.all) socket.disconnect(true)
  }
}

const problemsIn = (bad: readonly BadItem[]): { problems?: ItemProblem[] } => (bad.length === 0 ? {} : { problems: problemsOf(bad) })
