import { type ChunkResult, MAX_CHUNKS_PER_MESSAGE, MAX_LOG_MESSAGE_BYTES } from '@jobtrail/protocol/wire/worker'
import type { Chunk } from '@jobtrail/protocol/log/chunk-builder'
import { monotonicMs } from '../clock.js'
import { backoffMs } from './backoff.js'
import { BacklogReader, MEMORY_BUDGET_BYTES } from './backlog-reader.js'
import { Fifo } from './fifo.js'
import type { SpooledChunk } from './segment.js'
import type { QueuedChunk, StreamQueue } from './stream-queue.js'
import type { LogTransport } from './transport.js'

export const DEFAULT_WINDOW_MESSAGES = 8
export const DEFAULT_WINDOW_BYTES = 8 * 1024 * 1024
/** While messages are in flight, less than this waits so long for company. */
const GATHER_BYTES = 128 * 1024
const GATHER_MS = 5
const SMALL_CHUNK_BYTES = 16 * 1024
const RETRY_BASE_MS = 50
const RETRY_MAX_MS = 5_000

export interface SenderOptions {
  transport: LogTransport
  windowMessages: number
  windowBytes: number
  onFault: (error: unknown, what: string) => void
  /** Something of the stream was acknowledged, or found to be stored. */
  onProgress: (queue: StreamQueue) => void
  /** The stream cannot be delivered: it has to be set aside. */
  onRefused: (queue: StreamQueue, error: Error) => void
  /** What was written cannot be read back. */
  onBroken: (queue: StreamQueue, error: Error) => void
}
/** A chunk that is refused alone, so many times, as such (not because the server can't just now) will never be taken. */
const MAX_REFUSALS = 3
const PERMANENT_CODES = new Set<unknown>(['VALIDATION_FAILED', 'PAYLOAD_TOO_LARGE'])
const isPermanent = (error: unknown): boolean => error instanceof Error && 'code' in error && PERMANENT_CODES.has(error.code)
type Message = { chunks: QueuedChunk[]; bytes: number; isOver: boolean }

/** Sends the chunks of all streams in turn, a window of messages at a time; what is not acknowledged is sent again, the same bytes. */
export class Sender {
  private readonly options: SenderOptions
  /** Streams with chunks in memory, in turn. */
  private readonly ring = new Fifo<StreamQueue>()
  private readonly reader: BacklogReader
  private readonly messages = new Set<Message>()
  private readonly memory = { bytes: 0 }
  private flightBytes = 0
  private failures = 0
  private notBefore = 0
  private timer: NodeJS.Timeout | undefined
  private gatherUntil = 0
  private isUp = false
  private isPumpDue = false
  /** When something was acknowledged last, on the monotonic clock. */
  lastAckAt = -Infinity

  constructor(options: SenderOptions) {
    this.options = options
    this.reader = new BacklogReader({
      memory: this.memory,
      isUp: () => this.isUp,
      isIdle: () => this.ring.length === 0 && this.messages.size === 0,
      onFault: options.onFault,
      onBroken: options.onBroken,
      onRead: (queue) => {
        if (queue.isDelivered) options.onProgress(queue)
        this.enlist(queue)
        this.pump()
      },
    })
  }

  connected(): void {
    this.isUp = true
    clearTimeout(this.timer)
    this.timer = undefined
    this.failures = 0
    this.notBefore = 0
    this.pump()
  }

  /** Everything in flight is pending again. */
  disconnected(): void {
    this.isUp = false
    clearTimeout(this.timer)
    this.timer = undefined
    this.gatherUntil = 0
    for (const message of [...this.messages]) this.takeBack(message)
  }

  close(): void {
    this.disconnected()
    this.reader.close()
  }

  /** A chunk is in the spool: it may go. */
  chunkWritten(queue: StreamQueue, chunk: SpooledChunk): void {
    const isSmall = chunk.header.size <= SMALL_CHUNK_BYTES && queue.pending.length === 0
    const hold = this.memory.bytes < MEMORY_BUDGET_BYTES * (isSmall ? 1.5 : 1)
    this.memory.bytes += queue.written(chunk, hold)
    this.enlist(queue)
    this.pumpSoon()
  }

  /** Whether chunks may be sent that are in no file. */
  get takesUnspooled(): boolean {
    return this.isUp && this.options.transport.isConnected && this.memory.bytes < MEMORY_BUDGET_BYTES
  }

  /** The disk refuses these: they go from memory. */
  sendUnspooled(queue: StreamQueue, chunks: readonly Chunk[]): void {
    for (const chunk of chunks) this.memory.bytes += queue.unspooled(chunk)
    this.enlist(queue)
    this.pumpSoon()
  }

  /** The server has told what it has of this stream. */
  release(queue: StreamQueue): void {
    queue.isHeld = false
    this.enlist(queue)
    this.pumpSoon()
  }

  /** The server has these lines of a held stream. */
  skipStored(queue: StreamQueue, ranges: Parameters<StreamQueue['skipStored']>[0]): void {
    this.memory.bytes -= queue.skipStored(ranges)
  }

  /** The files of a held stream were written anew. */
  restart(queue: StreamQueue): void {
    this.memory.bytes -= queue.restart()
  }

  /** Nothing of this stream is sent any more. */
  drop(queue: StreamQueue): void {
    this.memory.bytes -= queue.drop()
    this.reader.remove(queue)
  }

  private enlist(queue: StreamQueue): void {
    if (queue.isGone || queue.isHeld) return
    if (!queue.isInRing && queue.pending.length > 0) {
      queue.isInRing = true
      this.ring.push(queue)
    }
    this.reader.feed(queue)
  }

  /** After this turn, so that what comes with it shares a message. */
  private pumpSoon(): void {
    if (this.isPumpDue) return
    this.isPumpDue = true
    queueMicrotask(() => {
      this.isPumpDue = false
      this.pump()
    })
  }

  private pump(): void {
    if (!this.isUp || !this.options.transport.isConnected) return
    const { windowMessages, windowBytes } = this.options
    while (this.ring.length > 0 && this.messages.size < windowMessages && this.flightBytes < windowBytes) {
      const now = monotonicMs()
      if (now < this.notBefore) return this.wakeAt(this.notBefore, now)
      if (this.messages.size > 0 && !this.isWorthAMessage()) {
        if (this.gatherUntil === 0) this.gatherUntil = now + GATHER_MS
        if (now < this.gatherUntil) return this.wakeAt(this.gatherUntil, now)
      }
      this.gatherUntil = 0
      const message = this.build()
      if (message.chunks.length > 0) void this.send(message)
    }
  }

  private wakeAt(at: number, now: number): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      this.pump()
    }, at - now)
  }

  /** Whether what is waiting fills a message well enough. */
  private isWorthAMessage(): boolean {
    let chunks = 0
    let bytes = 0
    for (const queue of this.ring) {
      chunks += queue.pending.length
      bytes += queue.waitingBytes
      if (bytes >= GATHER_BYTES || chunks >= MAX_CHUNKS_PER_MESSAGE) return true
    }
    return false
  }

  /** One chunk of each stream in turn, until the message is full. */
  private build(): Message {
    const chunks: QueuedChunk[] = []
    let bytes = 0
    while (chunks.length < MAX_CHUNKS_PER_MESSAGE) {
      const queue = this.ring.peek()
      if (queue === undefined) break
      const next = queue.isGone || queue.isHeld ? undefined : queue.pending.peek()
      if (next !== undefined && chunks.length > 0 && (next.isAlone || bytes + next.data.length > MAX_LOG_MESSAGE_BYTES)) break
      this.ring.shift()
      queue.isInRing = false
      if (next === undefined) continue
      queue.take()
      chunks.push(next)
      bytes += next.data.length
      this.enlist(queue)
      if (next.isAlone) break
    }
    return { chunks, bytes, isOver: false }
  }

  /** Never rejects. */
  private async send(message: Message): Promise<void> {
    this.messages.add(message)
    this.flightBytes += message.bytes
    try {
      const bodies =
        message.chunks.length === 1 && message.chunks[0] !== undefined ? message.chunks[0].data : Buffer.concat(message.chunks.map(({ data }) => data))
      const { results } = await this.options.transport.log({ chunks: message.chunks.map(({ header }) => header) }, bodies)
      if (message.isOver) return
      if (results.length !== message.chunks.length) throw new Error(`log: ${results.length} results for ${message.chunks.length} chunks`)
      this.finish(message)
      this.settle(message, results)
    } catch (error) {
      if (message.isOver) return
      this.fail(message, error)
    }
    this.reader.pump()
    this.pump()
  }

  private settle(message: Message, results: readonly ChunkResult[]): void {
    const again: QueuedChunk[] = []
    const touched = new Set<StreamQueue>()
    message.chunks.forEach((chunk, i) => {
      const result = results[i]
      touched.add(chunk.queue)
      if (result === 'busy') again.push(chunk)
      else this.memory.bytes -= chunk.queue.settle(chunk)
      if ((result === 'conflict' || result === 'refused') && !chunk.queue.isGone) {
        const { n, count } = chunk.header
        this.options.onRefused(chunk.queue, new Error(`Lines ${n} to ${n + count - 1} of ${chunk.queue.id}: ${result}`))
      }
    })
    if (again.length < message.chunks.length) this.lastAckAt = monotonicMs()
    if (again.length === 0) this.failures = 0
    else {
      this.requeue(again)
      this.backOff()
    }
    for (const queue of touched) {
      if (queue.isGone) continue
      this.reader.feed(queue)
      this.options.onProgress(queue)
    }
  }

  private fail(message: Message, error: unknown): void {
    this.takeBack(message)
    if (!this.isUp || !this.options.transport.isConnected) return
    this.options.onFault(error, 'send log')
    for (const chunk of message.chunks) chunk.isAlone = true
    const [only] = message.chunks
    if (only !== undefined && message.chunks.length === 1 && isPermanent(error) && ++only.refusals === MAX_REFUSALS) {
      this.options.onRefused(only.queue, new Error(`Lines from ${only.header.n} of ${only.queue.id}: never accepted`, { cause: error }))
    }
    this.backOff()
  }

  private takeBack(message: Message): void {
    if (message.isOver) return
    this.finish(message)
    this.requeue(message.chunks)
  }

  private finish(message: Message): void {
    message.isOver = true
    this.messages.delete(message)
    this.flightBytes -= message.bytes
  }

  private requeue(chunks: readonly QueuedChunk[]): void {
    const own = new Map<StreamQueue, QueuedChunk[]>()
    for (const chunk of chunks) {
      if (chunk.queue.isGone) this.memory.bytes -= chunk.queue.settle(chunk)
      else own.set(chunk.queue, [...(own.get(chunk.queue) ?? []), chunk])
    }
    for (const [queue, list] of own) {
      queue.giveBack(list)
      this.enlist(queue)
    }
  }

  private backOff(): void {
    this.failures++
    this.notBefore = monotonicMs() + backoffMs(this.failures, RETRY_BASE_MS, RETRY_MAX_MS)
  }
}
