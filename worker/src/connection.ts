import type { Heartbeat, HeartbeatReply, Hello, Welcome } from '@jobtrail/protocol/wire/worker'
import { ACK_TIMEOUT_MS } from '@jobtrail/protocol/wire/worker'
import { Backoff } from './backoff.js'
import { describeError, NotConnectedError, RefusedError } from './errors.js'
import { leaseClock } from './lease.js'
import { type MessageOf, type ReplyTo, type RequestSender, type ServerCommands, Session, type WorkerEvent } from './session.js'
import type { WorkerLogger } from './sdk-types.js'

const BACKOFF_MIN_MS = 100
const BACKOFF_MAX_MS = 3_000
/** A connection that held this long was a good one: the next failure counts as the first. */
const STABLE_AFTER_MS = 5_000
/** How long requests under way may take when the server asked to be left. */
const LEAVE_TIMEOUT_MS = 5_000
/** So many heartbeats in a row may be refused (a server whose database is away) before another server is tried. */
const MAX_REFUSED_HEARTBEATS = 3

export interface ConnectionOptions {
  urls: readonly string[]
  token: string
  log: WorkerLogger
  commands: Omit<ServerCommands, 'config'>
  makeHello: () => Hello
  makeHeartbeat(): Heartbeat
  /** hello was answered. `sentAt`: when it was sent, by the lease clock. */
  onWelcome(welcome: Welcome, sentAt: number): void
  onRenewed(reply: HeartbeatReply, sentAt: number): void
  /** A user wants the worker drained, or no more. */
  onDrain(isWanted: boolean): void
  onLost(): void
  /** Every server has refused the worker for `refusedExitMs`: the token is not valid, or its ID is another's. */
  onRefused(error: RefusedError): void
  refusedExitMs: number
}

/** A server that is leaving or has lost its database refuses too, for a while. */
const isFinalRefusal = ({ refusalCode }: RefusedError): boolean => refusalCode !== 'UNAVAILABLE' && refusalCode !== 'BUSY' && refusalCode !== 'INTERNAL'

/**
 * The worker's link to whichever server the load balancer leads to: one session at a time, replaced with exponential back-off and full jitter when it
 * ends. Nothing of an older session is heard once it is closed.
 */
export class Connection implements RequestSender {
  private session: Session | undefined
  private heartbeat: NodeJS.Timeout | undefined
  private heartbeatMs = 1_000
  private leaseMs = 10_000
  private refusedHeartbeats = 0
  private isClosed = false
  private isAskedToReconnect = false
  private lastProblem = ''
  /** Since when nothing but refusals was heard, by the lease clock. */
  private refusedSince: number | undefined
  private wake: (() => void) | undefined
  private loop: Promise<void> | undefined
  private readonly backoff = new Backoff(BACKOFF_MIN_MS, BACKOFF_MAX_MS)

  constructor(private readonly options: ConnectionOptions) {}

  get isConnected(): boolean {
    return this.session?.isConnected ?? false
  }

  start(): void {
    this.loop ??= this.run()
  }

  request<E extends WorkerEvent>(event: E, message: MessageOf<E>, options: { body?: Buffer; timeoutMs?: number } = {}): Promise<ReplyTo<E>> {
    if (this.session === undefined) return Promise.reject(new NotConnectedError('between two connections'))
    return this.session.request(event, message, options)
  }

  /** Says at once what changed (draining), without waiting for the next turn. */
  beatNow(): void {
    const session = this.session
    if (session?.isConnected !== true) return
    clearTimeout(this.heartbeat)
    void this.beat(session)
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.wake?.()
    this.session?.close('the worker stops')
    await this.loop
  }

  private async run(): Promise<void> {
    for (let round = 0; !this.isClosed; round++) {
      const url = this.options.urls[round % this.options.urls.length] ?? ''
      const openedAt = leaseClock()
      const reason = await this.live(url)
      if (this.isClosed) return
      if (leaseClock() - openedAt >= STABLE_AFTER_MS || this.isAskedToReconnect) this.backoff.reset()
      this.isAskedToReconnect = false
      const delayMs = this.backoff.next()
      this.report(url, reason, delayMs)
      await this.pause(delayMs)
    }
  }

  /** One session from start to end; gives the reason of its end. */
  private async live(url: string): Promise<string> {
    const { token, log, commands, makeHello } = this.options
    const session: Session = new Session({
      url,
      token,
      log,
      makeHello,
      commands: { ...commands, config: ({ reconnect, drain }) => this.configure(session, reconnect === true, drain) },
      onWelcome: (welcome, sentAt) => {
        this.heartbeatMs = welcome.heartbeatMs
        this.leaseMs = welcome.leaseMs
        this.refusedHeartbeats = 0
        this.options.onWelcome(welcome, sentAt)
      },
    })
    this.session = session
    try {
      await session.open()
    } catch (error) {
      if (error instanceof RefusedError && isFinalRefusal(error)) this.refused(error)
      return describeError(error)
    }
    this.lastProblem = ''
    this.refusedSince = undefined
    log.info({ url }, 'connected')
    this.scheduleBeat(session)
    const reason = await session.ended
    clearTimeout(this.heartbeat)
    this.options.onLost()
    return reason
  }

  private refused(error: RefusedError): void {
    const { log, refusedExitMs } = this.options
    const now = leaseClock()
    if (this.refusedSince === undefined) log.error({ reason: error.message, refusedExitMs }, 'the servers refuse this worker; it ends if they go on to')
    this.refusedSince ??= now
    if (now - this.refusedSince >= refusedExitMs) this.options.onRefused(error)
  }

  private scheduleBeat(session: Session): void {
    clearTimeout(this.heartbeat)
    if (session.isConnected) this.heartbeat = setTimeout(() => void this.beat(session), this.heartbeatMs)
  }

  private async beat(session: Session): Promise<void> {
    const sentAt = leaseClock()
    // A connection that is dead without a word has to be found out early enough to renew the lease over another.
    const timeoutMs = Math.min(ACK_TIMEOUT_MS, Math.max(1_000, this.leaseMs / 3))
    try {
      const reply = await session.request('heartbeat', this.options.makeHeartbeat(), { timeoutMs })
      this.refusedHeartbeats = 0
      this.options.onRenewed(reply, sentAt)
    } catch (error) {
      if (error instanceof NotConnectedError) return
      this.refusedHeartbeats += 1
      const isTolerable = error instanceof RefusedError && error.refusalCode !== 'UNAUTHENTICATED' && this.refusedHeartbeats < MAX_REFUSED_HEARTBEATS
      this.options.log.warn({ err: error }, isTolerable ? 'heartbeat refused' : 'heartbeat failed; connecting anew')
      if (!isTolerable) session.close(`heartbeat: ${describeError(error)}`)
    }
    this.scheduleBeat(session)
  }

  private configure(session: Session, reconnect: boolean, drain: boolean | undefined): void {
    if (drain !== undefined && session === this.session) this.options.onDrain(drain)
    if (!reconnect || session !== this.session) return
    this.isAskedToReconnect = true
    void session.leave(LEAVE_TIMEOUT_MS).then(() => session.close('the server asked to connect elsewhere'))
  }

  /** The same trouble is told once, not at every try. */
  private report(url: string, reason: string, delayMs: number): void {
    const problem = `${url} ${reason}`
    this.options.log[problem === this.lastProblem ? 'debug' : 'warn']({ url, reason, delayMs }, 'not connected; trying again')
    this.lastProblem = problem
  }

  private pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs)
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
