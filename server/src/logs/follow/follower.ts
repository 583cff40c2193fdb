import type { Response } from 'express'
import type { FollowDenied, FollowEnd, FollowFailed } from '@jobtrail/api/logs'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { AppError, NotFoundError } from '@jobtrail/protocol/domain/errors'
import { type Denial, denialText } from '../../auth/live-rights.js'
import { answerTo } from '../../platform/http/problem.filter.js'
import { followDecision } from '../domain/follow-decision.js'
import { resolveLine } from '../domain/page-window.js'
import { namedEvent, textFrom } from '../domain/sse.js'
import { completenessOf } from '../log-streams.service.js'
import type { FollowHub } from './follow-hub.js'
import type { CaughtUp, StreamFeed } from './stream-feed.js'

const HEARTBEAT_MS = 10_000
const RECONNECT_MS = 500
/** A client that takes nothing for so long is let go; it may come back and go on where it was. */
const DRAIN_TIMEOUT_MS = 60_000

const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store, no-transform',
  // nginx would hold back what it has not enough of.
  'X-Accel-Buffering': 'no',
}

/** One client that follows a log. It is sent the next block only when it has taken the one before, so it holds up nobody and fills no memory. */
export class Follower {
  private readonly gone = new AbortController()

  constructor(
    private readonly hub: FollowHub,
    private readonly response: Response,
    private readonly isPinned: boolean,
    /** Aborted with a {@link Denial} when the client may not read on. */
    private readonly right: AbortSignal,
  ) {}

  /**
   * Resolves when the log has ended, the client has left or may not read on, this server is leaving, or the log can't be read on; the client is told which. Rejects
   * only before anything was sent.
   */
  async run(key: AttemptKey, from: number): Promise<void> {
    this.response.once('close', () => this.gone.abort())
    const deny = (): void => this.gone.abort()
    this.right.addEventListener('abort', deny, { once: true })
    let heartbeat: NodeJS.Timeout | undefined
    try {
      let current = key
      let start = from
      for (;;) {
        const next = await this.hub.withFeed(current, async (feed) => {
          if (heartbeat === undefined) heartbeat = this.begin()
          return this.followFeed(feed, resolveLine(start, feed.head))
        })
        if (next === undefined || this.gone.signal.aborted) break
        current = { ...current, attempt: next }
        start = 0
        await this.write(namedEvent('attempt', { attempt: next, task: current.task }))
      }
      this.sayDenied()
      this.response.end()
    } catch (error) {
      if (heartbeat === undefined) throw error
      const { error: told } = answerTo(error, { method: 'GET', path: '' })
      if (told.code === 'INTERNAL') this.hub.noteFailure(key, error)
      if (!this.gone.signal.aborted) this.response.end(namedEvent('error', { code: told.code, message: told.message } satisfies FollowFailed))
    } finally {
      this.right.removeEventListener('abort', deny)
      clearInterval(heartbeat)
    }
  }

  private begin(): NodeJS.Timeout {
    this.response.writeHead(200, HEADERS)
    this.response.write(`retry: ${RECONNECT_MS}\n\n`)
    return setInterval(() => {
      if (!this.response.writableNeedDrain) this.response.write(': \n\n')
    }, HEARTBEAT_MS)
  }

  private sayDenied(): void {
    if (!this.right.aborted) return
    const code = this.right.reason as Denial
    // Of rights that could not be checked nothing is said: the client comes back, and is answered then.
    if (code !== 'UNAVAILABLE') this.response.write(namedEvent('forbidden', { code, message: denialText(code) } satisfies FollowDenied))
  }

  /** Follows one attempt; the attempt to go on with, or undefined when this is the end. */
  private async followFeed(feed: StreamFeed, from: number): Promise<number | undefined> {
    let at = from
    let isAligned = from === 0
    let seen: CaughtUp | undefined
    for (;;) {
      const next = await feed.next(at, isAligned, seen, this.gone.signal)
      if (next === undefined) {
        if (!this.gone.signal.aborted) throw whyClosed(feed)
        return undefined
      }
      if ('text' in next) {
        await this.write(textFrom(next, at))
        at = next.end
        isAligned = true
        continue
      }
      seen = next
      const decision = followDecision(next.facts, feed.key.attempt, this.isPinned)
      if (decision === 'next') return feed.key.attempt + 1
      if (decision === 'wait') continue
      await this.write(namedEvent('end', endOf(feed, next)))
      return undefined
    }
  }

  private async write(text: string | Buffer): Promise<void> {
    if (this.gone.signal.aborted || this.response.write(text)) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.response.destroy(), DRAIN_TIMEOUT_MS)
      const done = (): void => {
        clearTimeout(timer)
        this.response.off('drain', done)
        this.gone.signal.removeEventListener('abort', done)
        resolve()
      }
      this.response.on('drain', done)
      // Also when the client is gone, or may not read on.
      this.gone.signal.addEventListener('abort', done)
    })
  }
}

/** A feed is closed when its instance was removed, or when this server leaves. */
function whyClosed({ isRemoved, key }: StreamFeed): AppError {
  return isRemoved
    ? new NotFoundError('instance', `${key.instanceId}: it was removed`)
    : new AppError('UNAVAILABLE', 'This server is leaving: connect again, and go on where you were')
}

function endOf({ key, head }: StreamFeed, { view, facts }: CaughtUp): FollowEnd {
  const { total, ...completeness } = completenessOf(view)
  return { ...completeness, total: Math.max(head, total), task: key.task, attempt: key.attempt, status: facts.status }
}
