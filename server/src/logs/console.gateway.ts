import { Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import type { Namespace, Socket } from 'socket.io'
import type { z } from 'zod'
import { AppError } from '@jobtrail/protocol/domain/errors'
import {
  CONSOLE_ACK_TIMEOUT_MS,
  CONSOLE_MESSAGES,
  CONSOLE_NAMESPACE,
  type ConsoleToServer,
  type LogFollow,
  type LogFollowing,
  MAX_FOLLOWS,
  type ServerToConsole,
} from '@jobtrail/api/console'
import { AuthService } from '../auth/auth.service.js'
import { type Denial, denialText, LiveRights } from '../auth/live-rights.js'
import { Principal } from '../rights/principal.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { Shutdown } from '../platform/shutdown.js'
import { Sockets } from '../platform/sockets.js'
import { UserGate } from '../platform/user-gate.js'
import { FollowHub } from './follow/follow-hub.js'
import { SocketFollower } from './follow/socket-follower.js'
import { LogReader } from './log-reader.service.js'

type ConsoleSocket = Socket<ConsoleToServer, ServerToConsole>
type Messages = typeof CONSOLE_MESSAGES
type Handler<E extends keyof Messages> = (message: z.output<Messages[E]['request']>) => Promise<z.input<Messages[E]['reply']>>

/** Of one connection, which is closed when it goes beyond. */
const MAX_UNANSWERED = 32
const MAX_UNSENT = 100

/** The console's live side: logs that are followed over socket.io. */
@Injectable()
export class ConsoleGateway implements OnApplicationBootstrap {
  private readonly connections = new UserGate({ what: 'connections', running: 5_000, runningPerUser: 50, waiting: 0, waitingPerUser: 0, waitMs: 0 })

  constructor(
    private readonly sockets: Sockets,
    private readonly auth: AuthService,
    private readonly reader: LogReader,
    private readonly hub: FollowHub,
    private readonly rights: LiveRights,
    private readonly metrics: Metrics,
    private readonly shutdown: Shutdown,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    const namespace: Namespace<ConsoleToServer, ServerToConsole> = this.sockets.server.of(CONSOLE_NAMESPACE)
    namespace.use((socket, next) => void this.authenticate(socket, next))
    namespace.on('connection', (socket) => this.accept(socket))
    // The transport, not the socket: whoever loses that connects again, to another server.
    this.shutdown.register('handOver', 'consoles', () => {
      for (const socket of namespace.sockets.values()) socket.conn.close()
    })
  }

  private async authenticate(socket: ConsoleSocket, next: (error?: Error) => void): Promise<void> {
    let refusal: Error | undefined
    try {
      socket.data = { principal: await this.principalOf(socket) }
    } catch (error) {
      // `data` is what socket.io hands to the client.
      refusal =
        error instanceof AppError ? Object.assign(error, { data: { code: error.code } }) : new Error('The server could not check the session; try again')
    }
    next(refusal)
  }

  private async principalOf(socket: ConsoleSocket): Promise<Principal> {
    if (this.shutdown.isDraining) throw new AppError('UNAVAILABLE', 'This server is leaving; connect again')
    const { token } = socket.handshake.auth
    const principal = typeof token === 'string' ? await this.auth.authenticate(token, socket.handshake.address, null) : undefined
    if (principal === undefined) throw new AppError('UNAUTHENTICATED', 'The session is not valid (any more)')
    return principal
  }

  private accept(socket: ConsoleSocket): void {
    const follows = new Map<number, SocketFollower>()
    this.connections.enter(principalIn(socket).key).then(
      (leave) => (socket.connected ? socket.once('disconnect', leave) : leave()),
      () => socket.conn.close(),
    )
    const session = this.rights.watch(principalIn(socket))
    session.signal.addEventListener('abort', () => endOf(socket, session.signal.reason as Denial), { once: true })
    socket.on('disconnect', () => {
      session.release()
      for (const follower of follows.values()) follower.stop()
    })
    this.handle(socket, 'log.follow', (message) => this.follow(socket, follows, message))
    this.handle(socket, 'log.unfollow', ({ follow }) => {
      follows.get(follow)?.stop()
      return Promise.resolve({})
    })
  }

  private async follow(
    socket: ConsoleSocket,
    follows: Map<number, SocketFollower>,
    { follow, instanceId, task, attempt, from, maxBehind }: LogFollow,
  ): Promise<LogFollowing> {
    const principal = await this.principalOf(socket)
    const { key, instance } = await this.reader.select(principal, instanceId, { task, attempt })
    const leave = await this.hub.gate.enter(principal.key)
    follows.get(follow)?.stop()
    if (follows.size >= MAX_FOLLOWS && !follows.has(follow)) {
      leave()
      throw new AppError('TOO_MANY_REQUESTS', `A connection follows ${MAX_FOLLOWS} logs at most`)
    }
    const peer = socket.timeout(CONSOLE_ACK_TIMEOUT_MS)
    const follower = new SocketFollower(
      this.hub,
      { lines: (message) => peer.emitWithAck('log.lines', message), state: (message) => peer.emitWithAck('log.state', message) },
      { follow, from, isPinned: attempt !== undefined, maxBehind },
    )
    follows.set(follow, follower)
    if (socket.disconnected) follower.stop()
    const right = this.rights.watch(principal, instance.namespace)
    const deny = (): void => {
      follower.stop()
      if (right.signal.reason === 'FORBIDDEN') socket.emit('log.denied', { follow, message: denialText('FORBIDDEN') })
    }
    right.signal.addEventListener('abort', deny, { once: true })
    return new Promise((resolve, reject) => {
      const begun = (total: number): void => resolve({ attempt: key.attempt, total })
      void this.run(socket, follows, follow, follower, () => follower.run(key, begun))
        .catch(reject)
        .finally(() => {
          right.release()
          leave()
        })
    })
  }

  /** Until the log ends or its follower leaves. Rejects when it could not begin; of later failures the client is told. */
  private async run(
    socket: ConsoleSocket,
    follows: Map<number, SocketFollower>,
    follow: number,
    follower: SocketFollower,
    work: () => Promise<'end' | 'away'>,
  ): Promise<void> {
    this.metrics.followers.inc()
    try {
      if ((await work()) === 'end' || follower.isStopped) return
      // It was not asked to stop: the client comes back, and goes on from the line that it wants next.
      socket.conn.close()
    } catch (error) {
      if (!follower.isStopped) this.tellFailed(socket, follow, error)
      throw error
    } finally {
      this.metrics.followers.dec()
      if (follows.get(follow) === follower) follows.delete(follow)
    }
  }

  /** What would fail the same way again is said; of anything else the connection ends, and the client goes on through another one. */
  private tellFailed(socket: ConsoleSocket, follow: number, error: unknown): void {
    if (!(error instanceof AppError) || error.code === 'UNAVAILABLE') {
      socket.conn.close()
      return
    }
    this.logger.error('A followed log could not be read on', { follow, err: error })
    socket.emit('log.denied', { follow, message: error.message })
  }

  private handle<E extends keyof Messages>(socket: ConsoleSocket, event: E, work: Handler<E>): void {
    let unanswered = 0
    const listen = socket as unknown as { on(event: string, listener: (...args: unknown[]) => void): void }
    listen.on(event, (message, ack) => {
      if (typeof ack !== 'function') return
      // No console does this: it asks without waiting for answers, or does not take them.
      if (unanswered >= MAX_UNANSWERED || unsent(socket) >= MAX_UNSENT) {
        socket.conn.close()
        return
      }
      const refuse = (code: string, text: string): void => void ack({ ok: false, code, message: text })
      const parsed = CONSOLE_MESSAGES[event].request.safeParse(message)
      if (!parsed.success) return refuse('VALIDATION_FAILED', parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '))
      unanswered++
      work(parsed.data as z.output<Messages[E]['request']>).then(
        (value) => {
          unanswered--
          ack({ ok: true, value })
        },
        (error: unknown) => {
          unanswered--
          if (error instanceof AppError) return refuse(error.code, error.message)
          this.logger.warn('Could not answer a console', { event, err: error })
          refuse('UNAVAILABLE', 'The server could not do it now; try again')
        },
      )
    })
  }
}

const principalIn = (socket: ConsoleSocket): Principal => (socket.data as { principal: Principal }).principal

/** Packets that wait until the client takes those before. */
const unsent = (socket: ConsoleSocket): number => (socket.conn as unknown as { writeBuffer: unknown[] }).writeBuffer.length

/** A session that has ended is told so by the way its connection ends; otherwise the client connects again. */
function endOf(socket: ConsoleSocket, denial: Denial): void {
  if (denial === 'UNAUTHENTICATED') socket.disconnect(true)
  else socket.conn.close()
}
