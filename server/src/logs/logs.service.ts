import { Injectable } from '@nestjs/common'
import type { LogLineView, LogPage, LogQuery, LogVerification, VerifyQuery } from '@jobtrail/api/logs'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { chainDigest, checkBody, unpackBody } from '@jobtrail/protocol/log/codec'
import type { LogLine } from '@jobtrail/protocol/log/chunk'
import { isCheckedLog } from '@jobtrail/protocol/domain/statuses'
import { Principal } from '../rights/principal.js'
import { linesOf } from './domain/chunk-lines.js'
import { isOnSide, lineView, wholeView } from './domain/line-view.js'
import { nextLine, pageWindow, type PageWindow } from './domain/page-window.js'
import { differenceOf, emptyTotals } from './domain/stream-totals.js'
import { LineJoiner, MAX_PIECES, type WholeLine, wholeLines } from './domain/whole-lines.js'
import { LogHoleError, LogReader } from './log-reader.service.js'
import type { StoredChunk } from './log-store.js'
import { completenessOf } from './log-streams.service.js'

/** A page ends early at so many bytes of text, and a search for lines of one side after so many lines: `next` goes on from there. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024
const MAX_LINES_SEARCHED = 200_000

/** Pages of a log, and its verification. */
@Injectable()
export class LogsService {
  constructor(private readonly reader: LogReader) {}

  async page(principal: Principal, instanceId: string, query: LogQuery): Promise<LogPage> {
    const selected = await this.reader.select(principal, instanceId, query)
    const { key } = selected
    const view = await this.reader.view(selected)
    const { prefix, state } = view
    // Nothing is known of the log: either it has not begun, or the retention has removed it with its run since the run was read, which is 404.
    if (state === 'open' && prefix.lines === 0) await this.reader.select(principal, instanceId, query)
    const window = pageWindow(query, prefix.lines, query.stream !== undefined)
    const { lines, reached } = await this.collect(key, window, prefix.lines, query)
    return { ...completenessOf(view), task: key.task, attempt: key.attempt, lines, next: nextLine(query.order, reached, prefix.lines, state) }
  }

  /** Recomputes the digest chain of everything that can be read, and of a sealed stream compares it with what it was sealed with. */
  async verify(principal: Principal, instanceId: string, query: VerifyQuery): Promise<LogVerification> {
    const selected = await this.reader.select(principal, instanceId, query)
    const { key } = selected
    const { state, prefix, gaps, losses } = await this.reader.viewOfLines(selected)
    const sums = emptyTotals(key)
    const answer = (valid: boolean, reason?: string, firstBad = sums.lines): LogVerification => ({
      valid,
      state,
      lines: sums.lines,
      bytes: sums.bytes,
      digest: sums.digest,
      ...(losses === undefined ? {} : { losses }),
      ...(valid ? {} : { firstBad }),
      ...(reason === undefined ? {} : { reason }),
    })
    try {
      for await (const chunk of this.reader.chunks(key, 0, prefix.lines)) {
        const problem = verifyChunk(sums, chunk)
        if (problem !== undefined) return answer(false, problem)
        sums.digest = chunk.header.digest
        sums.lines += chunk.header.count
        sums.bytes += chunk.header.bytes
        sums.chunks++
      }
    } catch (error) {
      if (!(error instanceof LogHoleError)) throw error
      return answer(false, 'A chunk that was stored is missing')
    }
    const difference = isCheckedLog(state) ? differenceOf(sums, prefix) : undefined
    if (isCheckedLog(state) && (await this.reader.hasBeyond(key, prefix.lines))) return answer(false, 'Lines are stored beyond those that it was sealed with')
    if (difference !== undefined) return answer(false, `Differs from what was sealed: ${difference}`)
    const [gap] = gaps ?? []
    return gap === undefined ? answer(true) : answer(false, `Lines ${gap.from} to ${gap.to - 1} have not arrived`, gap.from)
  }

  /** `reached` as `nextLine` wants it. */
  private async collect(key: AttemptKey, window: PageWindow, total: number, query: LogQuery): Promise<{ lines: LogLineView[]; reached: number }> {
    const { lines, reached } = await this.pieces(key, window, query)
    if (query.pieces) return { lines: lines.map((line) => lineView(key, line)), reached }
    if (query.order === 'desc')
      return {
        lines: wholeLines(lines.toReversed())
          .toReversed()
          .map((line) => wholeView(key, line)),
        reached,
      }
    const joiner = new LineJoiner()
    const whole = lines.flatMap((line) => joiner.add(line))
    // The rest of the last line is behind the window.
    const end = joiner.isOpen ? await this.complete(key, joiner, reached, total, whole) : reached
    return { lines: [...whole, ...joiner.rest()].map((line) => wholeView(key, line)), reached: end }
  }

  /** Adds the pieces from line `from` on that belong to a line which is not whole, up to the first line that does not; the line after them. */
  private async complete(key: AttemptKey, joiner: LineJoiner, from: number, total: number, whole: WholeLine[]): Promise<number> {
    let at = from
    for await (const chunk of this.reader.chunks(key, from, Math.min(total, from + MAX_PIECES))) {
      for (const line of linesOf(chunk)) {
        if (line.n < from) continue
        if (!joiner.continues(line)) return at
        whole.push(...joiner.add(line))
        at = line.n + 1
      }
    }
    return at
  }

  private async pieces(key: AttemptKey, { from, to }: PageWindow, { limit, order, stream }: LogQuery): Promise<{ lines: LogLine[]; reached: number }> {
    const isDescending = order === 'desc'
    const lines: LogLine[] = []
    let bytes = 0
    let searched = 0
    let reached = isDescending ? to : from
    for await (const chunk of isDescending ? this.reader.chunksDown(key, from, to) : this.reader.chunks(key, from, to)) {
      const decoded = linesOf(chunk)
      for (const line of isDescending ? decoded.toReversed() : decoded) {
        if (line.n < from || line.n >= to) continue
        if (lines.length >= limit || bytes >= MAX_PAGE_BYTES || searched >= MAX_LINES_SEARCHED) return { lines, reached }
        reached = isDescending ? line.n : line.n + 1
        searched++
        if (stream !== undefined && !isOnSide(line.flags, stream)) continue
        lines.push(line)
        bytes += line.text.length
      }
    }
    return { lines, reached }
  }
}

/** What is wrong with a chunk that should follow on `before`; undefined when nothing is. */
function verifyChunk(before: { lines: number; bytes: number; digest: string }, { header, data }: StoredChunk): string | undefined {
  if (header.n !== before.lines) return 'Chunks overlap'
  if (header.offset !== before.bytes) return 'The chunk has the wrong place among the bytes of the stream'
  try {
    const body = unpackBody(header.encoding, data)
    checkBody(header, body)
    if (chainDigest(before.digest, header, body) !== header.digest) return 'The digest chain is broken here'
  } catch (error) {
    return `The chunk does not decode: ${error instanceof Error ? error.message : String(error)}`
  }
  return undefined
}
