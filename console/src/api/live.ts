import { io, type Socket } from 'socket.io-client'
import { CONSOLE_NAMESPACE, type ConsoleToServer, LogFollow, LogState, type ServerToConsole } from '@jobtrail/api/console'
import type { LogLineView } from '@jobtrail/api/logs'
import type { z } from 'zod'
import { sessionToken } from './session-token'

/** `lost`: it was there and is tried again. `refused`: the session has ended. */
export type LiveState = 'connecting' | 'connected' | 'lost' | 'refused'

export type LogFollowing = {
  query: Omit<z.input<typeof LogFollow>, 'follow' | 'from'>
  /** The line that is wanted next: asked at each connect, so that following goes on there. */
  next: () => number
  lines: (lines: LogLineView[]) => void
  state: (state: LogState) => void
}

const CLOSE_UNUSED_MS = 2_000
const CROWD_LINES = 500
const CROWD_PAUSE_MS = 100

/** The one socket.io connection of this page: opened while somebody follows something. */
class Live {
  private socket: Socket<ServerToConsole, ConsoleToServer> | undefined
  private readonly follows = new Map<number, LogFollowing>()
  private readonly listeners = new Set<() => void>()
  private last = 0
  /** The token that the server knows this page by. */
  private given = ''
  state: LiveState = 'connecting'

  constructor() {
    // Signed in again: with the new token.
    sessionToken.subscribe(() => {
      if (this.socket !== undefined && !this.socket.connected && sessionToken.state === 'signed-in') this.socket.connect()
    })
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  getState = (): LiveState => this.state

  /** Follows a log until the function that it returns is called. */
  follow(following: LogFollowing): () => void {
    const id = ++this.last
    this.follows.set(id, following)
    const socket = this.open()
    if (socket.connected) this.begin(socket, id, following)
    return () => {
      this.follows.delete(id)
      if (this.socket?.connected === true) this.socket.emit('log.unfollow', { follow: id }, () => undefined)
      if (this.follows.size === 0) setTimeout(() => this.closeIfUnused(), CLOSE_UNUSED_MS)
    }
  }

  private open(): Socket<ServerToConsole, ConsoleToServer> {
    if (this.socket !== undefined) return this.socket
    const socket: Socket<ServerToConsole, ConsoleToServer> = io(CONSOLE_NAMESPACE, {
      transports: ['websocket'],
      auth: (give) => {
        this.given = sessionToken.value
        give({ token: this.given })
      },
      reconnectionDelay: 200,
      reconnectionDelayMax: 3_000,
    })
    this.socket = socket
    socket.on('connect', () => {
      this.change('connected')
      for (const [id, following] of this.follows) this.begin(socket, id, following)
    })
    socket.on('disconnect', (reason) => {
      this.change('lost')
      // The server closed it by intent: the session has ended.
      if (reason === 'io server disconnect') this.refused(socket)
    })
    socket.on('connect_error', (error) => {
      const { data } = error as Error & { data?: { code?: string } }
      if (data?.code === 'UNAUTHENTICATED') return this.refused(socket)
      this.change('lost')
      // A refusal by the server ends socket.io's own attempts.
      if (!socket.active) setTimeout(() => socket.connect(), 1_000)
    })
    socket.on('log.lines', ({ follow, lines, total }, ack) => {
      this.follows.get(follow)?.lines(lines)
      // A log that is written faster than anybody reads comes in ten pieces a second; what is passed over is fetched when it is looked at.
      if (lines.length >= CROWD_LINES && (lines.at(-1)?.n ?? 0) + 1 < total) setTimeout(ack, CROWD_PAUSE_MS)
      else ack()
    })
    socket.on('log.state', (message, ack) => {
      const parsed = LogState.safeParse(message)
      if (parsed.success) this.follows.get(parsed.data.follow)?.state(parsed.data)
      ack()
    })
    // The page hears of it by the API too, and says so; this log is not asked for again.
    socket.on('log.denied', ({ follow }) => this.follows.delete(follow))
    return socket
  }

  private begin(socket: Socket<ServerToConsole, ConsoleToServer>, id: number, { query, next }: LogFollowing): void {
    socket.timeout(10_000).emit('log.follow', { ...query, follow: id, from: next() }, (error, reply) => {
      if (!this.follows.has(id)) return
      if (error === null || error === undefined) {
        if (reply.ok || reply.code === 'NOT_FOUND') return
      }
      // It could not be done now: from the beginning, through whichever server answers.
      if (socket.connected) socket.io.engine.close()
    })
  }

  /** The user may have signed in anew before the server looked at the former session. */
  private refused(socket: Socket<ServerToConsole, ConsoleToServer>): void {
    this.change('refused')
    if (sessionToken.value !== this.given && sessionToken.state === 'signed-in') socket.connect()
  }

  private closeIfUnused(): void {
    if (this.follows.size > 0) return
    this.socket?.disconnect()
    this.socket = undefined
    this.change('connecting')
  }

  private change(state: LiveState): void {
    this.state = state
    for (const listener of this.listeners) listener()
  }
}

export const live = new Live()
