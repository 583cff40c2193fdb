import type { LogMatch, LogSearchQuery } from '@jobtrail/api/logs'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import type { LogLine } from '@jobtrail/protocol/log/chunk'
import { withoutEscapes } from '@jobtrail/api/escapes'
import { isOnSide, lineView, wholeView } from '../domain/line-view.js'
import { LineJoiner, type WholeLine } from '../domain/whole-lines.js'
import type { StoredChunk } from '../log-store.js'
import { ChunkLines } from './chunk-lines.js'
import { ContextLines } from './context-lines.js'
import { type LineMatcher, lineMatcher } from './line-matcher.js'

export type SearchOrder = { key: AttemptKey; query: LogSearchQuery }
/** What was found since the step before. Lines before `reached` are searched; `isOver`: no more chunks are wanted. */
export type SearchStep = { matches: LogMatch[]; reached: number; isOver: boolean }

/** One call works no longer than this (and a line), and answers no more than this; `next` goes on. */
const MAX_SEARCH_MS = 400
const MAX_ANSWER_BYTES = 1024 * 1024
const PLACE_BYTES = 16
/** What was found is told this often, so that little is lost with a search that has to be stopped. */
const STEP_MS = 20

/** The work of one search, chunk by chunk, in order. No I/O: it runs in a thread of its own. */
export class SearchTask {
  private readonly matcher: LineMatcher
  private readonly context: ContextLines
  private readonly deadline: number
  private stepEnds: number
  /** Matches that were not told yet, those that wait for lines after them among them. */
  private found: LogMatch[] = []
  private count = 0
  private bytes = 0
  private reached: number
  private isFull = false
  private readonly joiner = new LineJoiner()
  private last: ChunkLines | undefined

  /** Throws ValidationError for a pattern that can't be searched for. */
  constructor(
    private readonly order: SearchOrder,
    private readonly now: () => number = () => performance.now(),
  ) {
    const { query } = order
    this.matcher = lineMatcher(query)
    this.context = new ContextLines(query.lines ? query.context : 0)
    this.reached = query.from
    this.deadline = now() + MAX_SEARCH_MS
    this.stepEnds = now() + STEP_MS
  }

  get isOver(): boolean {
    return this.isFull && !this.context.isWaiting
  }

  /** Searches a chunk, in steps of bounded work as far as lines are: what was found may be taken after each. */
  *search(stored: StoredChunk): Generator<void> {
    const chunk = new ChunkLines(stored)
    this.context.enter(chunk)
    if (!this.isFull) yield* this.searchLines(chunk)
    this.context.pass(chunk)
  }

  /** What was found and not yet told. Matches that wait for lines after them, and those behind, are kept back unless the log `hasEnded`. */
  takeStep(hasEnded = false): SearchStep {
    if (hasEnded && !this.isFull && this.last !== undefined) {
      for (const line of this.joiner.rest()) this.searchLine(this.last, line)
      this.reached = Math.max(this.reached, this.joiner.next)
    }
    if (hasEnded || !this.context.isWaiting) return { matches: this.found.splice(0), reached: this.reached, isOver: this.isOver }
    const first = this.found.findIndex(({ n }) => n === this.context.firstWaiting)
    const kept = this.found.splice(Math.max(0, first))
    const matches = this.found
    this.found = kept
    return { matches, reached: Math.min(this.reached, kept[0]?.n ?? this.reached), isOver: false }
  }

  private *searchLines(chunk: ChunkLines): Generator<void> {
    const { query } = this.order
    this.last = chunk
    if (!this.joiner.isOpen && !chunk.hasLongLine && !this.matcher.mayMatch(chunk.text)) {
      this.reached = Math.max(this.reached, chunk.end)
      this.isFull = this.now() > this.deadline
      return
    }
    for (const piece of chunk.lines) {
      if (piece.n < query.from) continue
      const lines = this.joiner.add(piece)
      for (const [i, line] of lines.entries()) {
        if (query.stream === undefined || isOnSide(line.flags, query.stream)) this.searchLine(chunk, line)
        this.reached = lines[i + 1]?.n ?? this.joiner.next
        const now = this.now()
        this.isFull = this.count >= query.limit || this.bytes >= MAX_ANSWER_BYTES || now > this.deadline
        if (this.isFull) return
        if (now < this.stepEnds) continue
        yield
        this.stepEnds = this.now() + STEP_MS
      }
    }
  }

  private searchLine(chunk: ChunkLines, line: WholeLine): void {
    const at = this.matcher.places(withoutEscapes(line.text.toString('utf8')))
    if (at.length === 0) return
    this.count++
    this.bytes += at.length * PLACE_BYTES
    this.found.push(this.order.query.lines ? this.withLines(chunk, line, at) : { n: line.n, at })
  }

  private withLines(chunk: ChunkLines, line: WholeLine, at: LogMatch['at']): LogMatch {
    const { key, query } = this.order
    const view = (each: LogLine) => {
      this.bytes += each.text.length
      return lineView(key, each)
    }
    this.bytes += line.text.length
    const match: LogMatch = { n: line.n, at, line: wholeView(key, line) }
    if (query.context === 0) return match
    const after: LogMatch['after'] = []
    this.context.after(chunk, line.n, line.pieces, (each) => after.push(view(each)))
    return { ...match, before: this.context.before(chunk, line.n).map(view), after }
  }
}
