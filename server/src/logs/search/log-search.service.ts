import { setImmediate as nextTurn } from 'node:timers/promises'
import { Injectable } from '@nestjs/common'
import type { LogMatch, LogSearchPage, LogSearchQuery } from '@jobtrail/shared/api/logs'
import type { AttemptKey } from '@jobtrail/shared/domain/attempt-key'
import type { LogLine } from '@jobtrail/shared/log/chunk'
import { withoutEscapes } from '@jobtrail/shared/log/escapes'
import { Principal } from '../../auth/principal.js'
import { isOnSide, lineView } from '../domain/line-view.js'
import { nextLine } from '../domain/page-window.js'
import { LogReader } from '../log-reader.service.js'
import { completenessOf } from '../log-streams.service.js'
import { ChunkLines } from './chunk-lines.js'
import { ContextLines } from './context-lines.js'
import { type LineMatcher, lineMatcher } from './line-matcher.js'

/** One call works no longer than this (and a chunk), and answers no more text than this; `next` goes on. */
const MAX_SEARCH_MS = 400
const MAX_ANSWER_BYTES = 4 * 1024 * 1024
/** Others are served in between after so much work. */
const TURN_MS = 10

type Found = { matches: LogMatch[]; bytes: number; reached: number }

/** Searches a whole log, chunk by chunk, in calls of bounded work. */
@Injectable()
export class LogSearchService {
  constructor(private readonly reader: LogReader) {}

  async search(principal: Principal, instanceId: string, query: LogSearchQuery): Promise<LogSearchPage> {
    const matcher = lineMatcher(query)
    const selected = await this.reader.select(principal, instanceId, query)
    const { key } = selected
    const view = await this.reader.view(selected)
    const total = view.prefix.lines
    const { matches, reached } = await this.scan(key, total, query, matcher)
    return { ...completenessOf(view), task: key.task, attempt: key.attempt, matches, next: nextLine('asc', reached, total, view.state) }
  }

  private async scan(key: AttemptKey, total: number, query: LogSearchQuery, matcher: LineMatcher): Promise<Found> {
    const found: Found = { matches: [], bytes: 0, reached: query.from }
    if (query.from >= total) return found
    const context = new ContextLines(query.lines ? query.context : 0)
    const deadline = performance.now() + MAX_SEARCH_MS
    let turnEnds = performance.now() + TURN_MS
    let isDone = false
    // From before the first line of interest: it may have a match that wants its context.
    for await (const chunk of this.reader.chunks(key, Math.max(0, query.from - query.context), total)) {
      const lines = new ChunkLines(chunk)
      context.enter(lines)
      if (!isDone) isDone = searchChunk(key, lines, query, matcher, context, found) || performance.now() > deadline
      if (isDone && !context.isWaiting) break
      context.pass(lines)
      if (performance.now() < turnEnds) continue
      await nextTurn()
      turnEnds = performance.now() + TURN_MS
    }
    return found
  }
}

/** Adds what a chunk holds; true when the answer is full. */
function searchChunk(key: AttemptKey, chunk: ChunkLines, query: LogSearchQuery, matcher: LineMatcher, context: ContextLines, found: Found): boolean {
  if (matcher.mayMatch(chunk.text)) {
    for (const line of chunk.lines) {
      if (line.n < query.from || (query.stream !== undefined && !isOnSide(line.flags, query.stream))) continue
      const at = matcher.places(withoutEscapes(line.text.toString('utf8')))
      if (at.length === 0) continue
      found.matches.push(query.lines ? withLines(key, chunk, line, at, query.context, context, found) : { n: line.n, at })
      found.reached = line.n + 1
      if (found.matches.length >= query.limit || found.bytes >= MAX_ANSWER_BYTES) return true
    }
  }
  found.reached = Math.max(found.reached, chunk.end)
  return false
}

function withLines(key: AttemptKey, chunk: ChunkLines, line: LogLine, at: LogMatch['at'], size: number, context: ContextLines, found: Found): LogMatch {
  const view = (each: LogLine) => {
    found.bytes += each.text.length
    return lineView(key, each)
  }
  const match: LogMatch = { n: line.n, at, line: view(line) }
  if (size === 0) return match
  const after: LogMatch['after'] = []
  context.after(chunk, line.n, (each) => after.push(view(each)))
  return { ...match, before: context.before(chunk, line.n).map(view), after }
}
