import { once } from 'node:events'
import { createServer, connect, type Server, type Socket } from 'node:net'
import { freePort } from '@jobtrail/deploy/ports'

const HIGH_WATER_BYTES = 1_048_576

/** A TCP proxy in front of one port, whose connections can be cut, stalled and slowed down. */
export class Link {
  private readonly server: Server
  private readonly pairs = new Set<Pair>()
  private isClosed = false
  /** Also read by the pairs. */
  isStalled = false
  delayMs = 0

  private constructor(
    readonly name: string,
    private readonly target: number,
    /** Where it listens. */
    readonly port: number,
  ) {
    // What one side ends, the other side is told by us.
    this.server = createServer({ allowHalfOpen: true }, (socket) => this.join(socket))
  }

  static async open(name: string, target: number): Promise<Link> {
    const port = await freePort()
    const link = new Link(name, target, port)
    link.server.listen(port, '127.0.0.1')
    await once(link.server, 'listening')
    return link
  }

  /** Breaks off every connection, with a reset. */
  cut(): void {
    for (const pair of this.pairs) pair.break()
  }

  /** Breaks off every connection and lets none through until {@link mend}. */
  close(): void {
    this.isClosed = true
    this.cut()
  }

  /** Connections stay open and are accepted, and nothing passes. */
  stall(): void {
    this.isStalled = true
  }

  /** Everything arrives so much later, in each direction. */
  delay(ms: number): void {
    this.delayMs = ms
  }

  mend(): void {
    this.isClosed = false
    this.isStalled = false
    this.delayMs = 0
    for (const pair of this.pairs) pair.flow()
  }

  async stop(): Promise<void> {
    this.close()
    this.server.close()
    await once(this.server, 'close')
  }

  private join(socket: Socket): void {
    if (this.isClosed) {
      socket.resetAndDestroy()
      return
    }
    const pair = new Pair(this, socket, connect({ port: this.target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true }))
    this.pairs.add(pair)
    pair.whenOver(() => this.pairs.delete(pair))
  }
}

/** A connection to the proxy with the one that it makes. */
class Pair {
  private readonly ways: readonly Way[]

  constructor(
    link: Link,
    private readonly near: Socket,
    private readonly far: Socket,
  ) {
    near.setNoDelay(true)
    this.ways = [new Way(link, near, far), new Way(link, far, near)]
    for (const socket of [near, far]) socket.on('error', () => this.break())
  }

  whenOver(done: () => void): void {
    for (const socket of [this.near, this.far])
      socket.once('close', () => {
        this.break()
        done()
      })
  }

  break(): void {
    for (const socket of [this.near, this.far]) if (!socket.destroyed) socket.resetAndDestroy()
  }

  flow(): void {
    for (const way of this.ways) way.flow()
  }
}

/** One direction of a connection. */
class Way {
  private readonly waiting: { at: number; bytes: Buffer | undefined }[] = []
  private waitingBytes = 0
  private timer: NodeJS.Timeout | undefined

  constructor(
    private readonly link: Link,
    private readonly from: Socket,
    private readonly to: Socket,
  ) {
    from.on('data', (bytes: Buffer) => this.take(bytes))
    from.on('end', () => this.take(undefined))
    to.on('drain', () => this.flow())
  }

  /** `undefined`: the end. */
  private take(bytes: Buffer | undefined): void {
    this.waiting.push({ at: performance.now() + this.link.delayMs, bytes })
    this.waitingBytes += bytes?.length ?? 0
    if (this.waitingBytes > HIGH_WATER_BYTES) this.from.pause()
    this.flow()
  }

  flow(): void {
    clearTimeout(this.timer)
    while (!this.link.isStalled && !this.to.destroyed && !this.to.writableNeedDrain) {
      const next = this.waiting[0]
      if (next === undefined) break
      const leftMs = Math.min(next.at - performance.now(), this.link.delayMs)
      if (leftMs > 0) {
        this.timer = setTimeout(() => this.flow(), leftMs)
        return
      }
      this.waiting.shift()
      this.waitingBytes -= next.bytes?.length ?? 0
      if (next.bytes === undefined) this.to.end()
      else this.to.write(next.bytes)
    }
    if (this.waitingBytes <= HIGH_WATER_BYTES && this.from.isPaused()) this.from.resume()
  }
}
