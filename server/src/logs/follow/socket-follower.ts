import type { LogLineView } from '@jobtrail/api/logs'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import type { LogLines, LogState } from '@jobtrail/api/console'
import { linesFrom } from '../domain/block-lines.js'
import { followDecision } from '../domain/follow-decision.js'
import { resolveLine } from '../domain/page-window.js'
import { completenessOf } from '../log-streams.service.js'
import type { FollowHub } from './follow-hub.js'
import type { CaughtUp, StreamFeed } from './stream-feed.js'

/** Resolve when the client has taken the message; reject when it is gone or takes too long. */
export type FollowSink = { lines(message: LogLines): Promise<unknown>; state(message: LogState): Promise<unknown> }
export type FollowOptions = { follow: number; from: number; isPinned: boolean; maxBehind: number | undefined }

/** Small blocks of a lively log go together, up to so many lines or characters. */
const MAX_LINES = 1_000
const MAX_CHARS = 512 * 1024
/** After a message of so many lines, more may be stored than the feed knows of: it reads on only as fast as its followers take. */
const CROWD_LINES = 500

/** One console that follows a log: the next lines leave when it has taken those before. */
export class SocketFollower {
  private readonly gone = new AbortController()

  constructor(
    private readonly hub: FollowHub,
    private readonly sink: FollowSink,
    private readonly options: FollowOptions,
  ) {}

  stop(): void {
    this.gone.abort()
  }

  get isStopped(): boolean {
    return this.gone.signal.aborted
  }

  /** `begun` hears how many lines are stored. Resolves `end` when the client was told so, `away` when it has left or this server is leaving. */
  run(key: AttemptKey, begun: (total: number) => void): Promise<'end' | 'away'> {
    return this.hub.withFeed(key, (feed) => {
      begun(feed.head)
      return this.followFeed(feed)
    })
  }

  private async followFeed(feed: StreamFeed): Promise<'end' | 'away'> {
    let at = resolveLine(this.options.from, feed.head)
    let isAligned = at === 0
    let seen: CaughtUp | undefined
    let isCrowded = false
    for (;;) {
      if (isCrowded && this.options.maxBehind !== undefined) await feed.lookAhead()
      const start = this.skipTo(at, feed.head)
      if (start !== at) isAligned = false
      at = start
      const next = await feed.next(at, isAligned, seen, this.gone.signal)
      if (next === undefined) return 'away'
      if ('text' in next) {
        const lines = linesFrom(next, at)
        at = await this.gather(feed, lines, next.end)
        isAligned = true
        isCrowded = lines.length >= CROWD_LINES
        await this.sink.lines({ follow: this.options.follow, total: feed.head, lines })
        continue
      }
      seen = next
      if (await this.tell(feed, next)) return 'end'
    }
  }

  /** Adds what else is stored already, to one message; the line after it. */
  private async gather(feed: StreamFeed, lines: LogLineView[], end: number): Promise<number> {
    let at = end
    let chars = lines.reduce((sum, { text }) => sum + text.length, 0)
    while (at < feed.head && lines.length < MAX_LINES && chars < MAX_CHARS) {
      const more = await feed.next(at, true, undefined, this.gone.signal)
      if (more === undefined || !('text' in more)) break
      for (const line of linesFrom(more, at)) {
        lines.push(line)
        chars += line.text.length
      }
      at = more.end
    }
    return at
  }

  private skipTo(at: number, head: number): number {
    const { maxBehind } = this.options
    return maxBehind === undefined || head - at <= maxBehind ? at : head - Math.floor(maxBehind / 2)
  }

  /** True when this was the end. */
  private async tell({ key, head }: StreamFeed, { view, facts }: CaughtUp): Promise<boolean> {
    const { total, ...completeness } = completenessOf(view)
    const decision = followDecision(facts, key.attempt, this.options.isPinned)
    await this.sink.state({
      ...completeness,
      follow: this.options.follow,
      total: Math.max(head, total),
      task: key.task,
      attempt: key.attempt,
      status: facts.status,
      isEnd: decision !== 'wait',
      ...(decision === 'next' ? { nextAttempt: key.attempt + 1 } : {}),
    })
    return decision !== 'wait'
  }
}
