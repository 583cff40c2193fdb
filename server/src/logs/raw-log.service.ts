import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createBrotliCompress, createGzip } from 'node:zlib'
import { Injectable } from '@nestjs/common'
import type { Request, Response } from 'express'
import type { RawQuery } from '@jobtrail/api/logs'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { AppError } from '@jobtrail/protocol/domain/errors'
import type { StreamTotals } from '@jobtrail/protocol/log/chunk'
import { isClosedLog } from '@jobtrail/protocol/domain/statuses'
import { joinLines } from '@jobtrail/protocol/log/codec'
import { LiveRights } from '../auth/live-rights.js'
import { Principal } from '../rights/principal.js'
import { UserGate } from '../platform/user-gate.js'
import { type ByteRange, parseRange } from './domain/byte-range.js'
import { linesOf, writtenBytes, writtenLog } from './domain/chunk-lines.js'
import { coalesce } from './domain/coalesce.js'
import { isOnSide, wholeView } from './domain/line-view.js'
import { TimedText } from './domain/timed-text.js'
import { LineJoiner, type WholeLine } from './domain/whole-lines.js'
import { LogReader } from './log-reader.service.js'

/** Bytes that wait for a slow client inside the stream; what is read ahead comes on top. */
const HIGH_WATER_BYTES = 256 * 1024
/** A client that takes nothing for so long is let go. */
const IDLE_TIMEOUT_MS = 60_000

const CLIENT_LEFT = new Set<unknown>(['ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED', 'ECONNRESET', 'EPIPE'])

/** A log as the process wrote it, streamed: memory does not grow with its length. */
@Injectable()
export class RawLogService {
  private readonly gate = new UserGate({ what: 'downloads', running: 64, runningPerUser: 6, waiting: 256, waitingPerUser: 24, waitMs: 20_000 })

  constructor(
    private readonly reader: LogReader,
    private readonly rights: LiveRights,
  ) {}

  /** A download holds a place until its reader has taken it, or has left. */
  async send(principal: Principal, instanceId: string, query: RawQuery, request: Request, response: Response): Promise<void> {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    await this.gate.run(principal.key, () => this.sendNow(principal, instanceId, query, request, response), gone.signal)
  }

  private async sendNow(principal: Principal, instanceId: string, query: RawQuery, request: Request, response: Response): Promise<void> {
    const selected = await this.reader.select(principal, instanceId, query)
    const { key } = selected
    const { state, prefix: totals } = await this.reader.viewOfLines(selected)
    const isPlain = query.stream === undefined && query.format === 'text' && !query.timestamps
    response.set({
      'Content-Type': query.format === 'jsonl' ? 'application/x-ndjson; charset=utf-8' : 'text/plain; charset=utf-8',
      'Cache-Control': 'no-store',
      Vary: 'Accept-Encoding',
      'X-Jobtrail-Log-State': state,
      'X-Jobtrail-Log-Lines': String(totals.lines),
    })
    if (isPlain) response.set('Accept-Ranges', 'bytes')
    // Without validators no condition of If-Range can hold, so that the whole is to be sent.
    const range = isPlain && request.get('If-Range') === undefined ? parseRange(request.get('Range'), totals.bytes) : 'whole'
    if (range === 'unsatisfiable') {
      response.set('Content-Range', `bytes */${totals.bytes}`)
      throw new AppError('RANGE_NOT_SATISFIABLE', `The log has ${totals.bytes} bytes now`)
    }
    const encoding = range === 'whole' ? request.acceptsEncodings(['br', 'gzip', 'identity']) : 'identity'
    const compressor = compressorFor(encoding)
    if (compressor !== undefined) response.set('Content-Encoding', String(encoding))
    if (range !== 'whole') {
      response.status(206).set({
        'Content-Range': `bytes ${range.from}-${range.to - 1}/${isClosedLog(state) ? totals.bytes : '*'}`,
        'Content-Length': String(range.to - range.from),
      })
    } else if (isPlain && compressor === undefined) response.set('Content-Length', String(totals.bytes))
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    const parts = range === 'whole' ? this.whole(key, totals, query) : this.part(key, totals.lines, range)
    const right = this.rights.watch(principal, selected.instance.namespace)
    // Cut off in the middle, so that nobody takes what they have for the whole.
    right.signal.addEventListener('abort', () => response.destroy(), { once: true })
    try {
      await this.pipe(coalesce(parts), compressor, response)
    } finally {
      right.release()
    }
  }

  private async pipe(parts: AsyncGenerator<Buffer>, compressor: ReturnType<typeof compressorFor>, response: Response): Promise<void> {
    // Read before anything is sent: a database that is away makes a proper answer.
    const first = await parts.next()
    if (first.done === true) {
      response.removeHeader('Content-Encoding')
      response.end()
      return
    }
    response.setTimeout(IDLE_TIMEOUT_MS, () => response.destroy())
    const source = Readable.from(startingWith(first.value, parts), { objectMode: false, highWaterMark: HIGH_WATER_BYTES })
    try {
      await (compressor === undefined ? pipeline(source, response) : pipeline(source, compressor, response))
    } catch (error) {
      // The client left, or was let go: nothing went wrong here.
      if (error instanceof Error && 'code' in error && CLIENT_LEFT.has(error.code)) return
      throw error
    }
  }

  private async *whole(key: AttemptKey, { lines, bytes }: StreamTotals, { stream, format, timestamps }: RawQuery): AsyncGenerator<Buffer> {
    const isPlain = format === 'text' && !timestamps
    if (isPlain && stream === undefined) {
      yield* writtenLog(this.reader.chunks(key, 0, lines), bytes)
      return
    }
    const joiner = new LineJoiner()
    const timed = new TimedText()
    const formed = (wanted: readonly WholeLine[]): Buffer =>
      format === 'jsonl' ? Buffer.from(wanted.map((line) => `${JSON.stringify(wholeView(key, line))}\n`).join('')) : timed.of(wanted)
    for await (const chunk of this.reader.chunks(key, 0, lines)) {
      const wanted = linesOf(chunk).filter(({ flags }) => stream === undefined || isOnSide(flags, stream))
      yield isPlain ? joinLines(wanted) : formed(wanted.flatMap((line) => joiner.add(line)))
    }
    yield formed(joiner.rest())
  }

  private async *part(key: AttemptKey, lines: number, { from, to }: ByteRange): AsyncGenerator<Buffer> {
    const start = await this.reader.lineAtByte(key, from, lines)
    let at = start.offset
    for await (const chunk of this.reader.chunks(key, start.line, lines)) {
      const bytes = writtenBytes(chunk)
      yield bytes.subarray(Math.max(0, from - at), Math.min(bytes.length, to - at))
      at += bytes.length
      if (at >= to) return
    }
  }
}

function compressorFor(encoding: string | false): ReturnType<typeof createGzip> | ReturnType<typeof createBrotliCompress> | undefined {
  if (encoding === 'br') return createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })
  return encoding === 'gzip' ? createGzip({ level: 1 }) : undefined
}

async function* startingWith(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first
  yield* rest
}
