import type { LogLineView, LogPage } from '@jobtrail/api/logs'
import { isClosedLog } from '@jobtrail/protocol/domain/statuses'
import type { LogState } from '@jobtrail/api/console'
import { live } from '../api/live'
import { type LogKey, logPage } from '../api/logs'
import { type GroupMark, groupMark } from './logic/groups'
import { LinePages, PAGE_LINES, pageOf } from './logic/line-pages'

/** What is known of the log as a whole. */
export type LogStatus = Pick<LogPage, 'state' | 'total' | 'reason' | 'gaps' | 'losses'>

/** Further behind than this, lines are fetched when they are looked at, not sent. */
const MAX_BEHIND = 4_000
const QUIET_MS = 40
const RETRY_MS = 1_000
/** An interrupted log is looked at again: its worker may come back with the rest. */
const RECHECK_MS = 5_000
const MAX_IN_FLIGHT = 2

type Listener = () => void
/** Lines [from, to). */
export type LineRange = readonly [number, number]

/** One attempt's log in the browser: pages of lines that are looked at, and the tail as it grows. Tells its listeners when anything has changed. */
export class LogStore {
  readonly pages = new LinePages()
  status: LogStatus = { state: 'open', total: 0 }
  /** The first answer is there. */
  isReady = false
  error: unknown
  /** Set once another attempt has begun. */
  nextAttempt: number | undefined
  /** A mark of a group was among the lines: the log is worth looking through for all of them. */
  private readonly markListeners = new Set<(mark: GroupMark) => void>()
  private readonly listeners = new Set<Listener>()
  private readonly fetching = new Map<number, AbortController>()
  private wanted: readonly LineRange[] = []
  private recheck: ReturnType<typeof setTimeout> | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  private lastNeedAt = 0
  private version = 0
  private isNotifying = false
  private stopFollowing: (() => void) | undefined
  private isClosed = false

  constructor(
    readonly key: LogKey,
    private readonly isPinned: boolean,
  ) {}

  /** Loads the lines around `from` (negative: from the end) and goes on live unless the log is over. Returns what ends it. */
  open(from: number): () => void {
    this.isClosed = false
    void this.load(from < 0 ? from : Math.max(0, pageOf(from) * PAGE_LINES), from < 0 ? -from : PAGE_LINES)
    return () => this.close()
  }

  subscribe = (listener: Listener): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  getVersion = (): number => this.version

  onMark(listener: (mark: GroupMark) => void): () => void {
    this.markListeners.add(listener)
    return () => this.markListeners.delete(listener)
  }

  /** Lines come live. */
  get isLive(): boolean {
    return this.stopFollowing !== undefined
  }

  /** These lines are looked at now: what is missing of them is fetched, and what is not wanted any more is not waited for. */
  need(ranges: readonly LineRange[]): void {
    this.wanted = ranges.map(([from, to]) => [Math.max(0, from), Math.min(to, this.status.total)])
    if (this.wanted.every(([from, to]) => this.pages.firstMissing(from, to) === undefined)) {
      if (this.error === undefined) return
      // What could not be read is not looked at any more, or came live.
      this.error = undefined
      this.notify()
      return
    }
    const now = performance.now()
    const isQuiet = now - this.lastNeedAt > QUIET_MS
    this.lastNeedAt = now
    clearTimeout(this.timer)
    if (isQuiet) this.fetchWanted()
    else this.timer = setTimeout(() => this.fetchWanted(), QUIET_MS)
  }

  /** Lines that came another way, such as with a search. Those that were put together of several pieces are shown by pieces, each under its number. */
  put(lines: readonly LogLineView[]): void {
    this.pages.put(lines.filter(({ pieces = 1 }) => pieces === 1))
    for (const { n, text } of lines) {
      const mark = groupMark(n, text)
      if (mark !== undefined) for (const listener of this.markListeners) listener(mark)
    }
    this.notify()
  }

  retry(): void {
    this.error = undefined
    if (this.isReady) this.fetchWanted()
    else this.open(-PAGE_LINES)
    this.notify()
  }

  private close(): void {
    this.isClosed = true
    clearTimeout(this.timer)
    clearTimeout(this.recheck)
    this.stopFollowing?.()
    this.stopFollowing = undefined
    for (const controller of this.fetching.values()) controller.abort()
    this.fetching.clear()
  }

  private fetchWanted(): void {
    for (const [page, controller] of this.fetching) {
      if (this.wanted.some(([from, to]) => page >= pageOf(from) - 1 && page <= pageOf(to))) continue
      controller.abort()
      this.fetching.delete(page)
    }
    for (const [from, to] of this.wanted) this.fetchRange(from, to)
  }

  private fetchRange(from: number, to: number): void {
    for (let at = from; at < to && this.fetching.size < MAX_IN_FLIGHT;) {
      const missing = this.pages.firstMissing(at, to)
      if (missing === undefined) return
      const page = pageOf(missing)
      if (!this.fetching.has(page)) void this.load(missing, (page + 1) * PAGE_LINES - missing)
      at = (page + 1) * PAGE_LINES
    }
  }

  private async load(from: number, limit: number): Promise<void> {
    const controller = new AbortController()
    const page = from < 0 ? -1 : pageOf(from)
    this.fetching.set(page, controller)
    try {
      const answer = await logPage(this.key, { from, limit }, controller.signal)
      if (this.isClosed || controller.signal.aborted) return
      this.error = undefined
      this.take(answer)
    } catch (error) {
      if (controller.signal.aborted || this.isClosed) return
      this.error = error
      this.timer = setTimeout(() => (this.isReady ? this.fetchWanted() : void this.load(from, limit)), RETRY_MS)
    } finally {
      if (this.fetching.get(page) === controller) this.fetching.delete(page)
      this.notify()
    }
    if (this.isReady && !this.isClosed && this.error === undefined) this.fetchWanted()
  }

  private take({ state, total, reason, gaps, losses, lines }: LogPage): void {
    // Its lines were removed, perhaps while somebody looked at them: there is nothing to ask for any more.
    if (state === 'expired') this.status = { state, total: 0 }
    // Where the log is followed, what comes live says how far it is: an answer may be older, and of a fast log it is ahead.
    else if (!isClosedLog(this.status.state) && this.stopFollowing === undefined) this.setStatus({ state, total, reason, gaps, losses })
    this.isReady = true
    this.put(lines)
    if (!isClosedLog(state)) this.follow()
  }

  private follow(): void {
    const { instanceId, task, attempt } = this.key
    this.stopFollowing ??= live.follow({
      query: { instanceId, task, ...(this.isPinned ? { attempt } : {}), maxBehind: MAX_BEHIND },
      next: () => this.status.total,
      lines: (lines) => {
        const last = lines.at(-1)
        if (last === undefined) return
        // Those of another attempt are for whoever shows that.
        if (last.attempt !== attempt) return this.another(last.attempt)
        // The log ends here at what has come: of a fast one there is always more, and whoever follows it would look at lines that are still on their way.
        this.setStatus({ ...this.status, total: last.n + 1 })
        this.put(lines)
      },
      state: (state) => this.takeState(state),
    })
  }

  private takeState({ attempt, state, total, reason, gaps, losses, nextAttempt, isEnd }: LogState): void {
    if (attempt !== this.key.attempt) return this.another(attempt)
    this.setStatus({ state, total, reason, gaps, losses })
    if (isEnd) {
      this.stopFollowing?.()
      this.stopFollowing = undefined
      if (!isClosedLog(state)) this.lookAgain()
    }
    if (nextAttempt !== undefined) return this.another(nextAttempt)
    this.notify()
  }

  /** The run has ended, but not its log. */
  private lookAgain(): void {
    clearTimeout(this.recheck)
    if (this.isClosed) return
    this.recheck = setTimeout(() => {
      logPage(this.key, { from: this.status.total, limit: 1 }).then(
        ({ state, total, reason, gaps, losses }) => {
          if (this.isClosed) return
          this.setStatus({ state, total, reason, gaps, losses })
          this.notify()
          if (state === 'open') this.follow()
          else if (!isClosedLog(state)) this.lookAgain()
        },
        () => this.lookAgain(),
      )
    }, RECHECK_MS)
  }

  /** A new object only when something has changed; the number of lines never falls. */
  private setStatus({ state, total, reason, gaps, losses }: { [K in keyof LogStatus]: LogStatus[K] | undefined } & Pick<LogStatus, 'state' | 'total'>): void {
    const next = {
      state,
      total: Math.max(total, this.status.total),
      ...(reason === undefined ? {} : { reason }),
      ...(gaps === undefined ? {} : { gaps }),
      ...(losses === undefined ? {} : { losses }),
    }
    if (JSON.stringify(next) !== JSON.stringify(this.status)) this.status = next
  }

  private another(attempt: number): void {
    if (attempt > this.key.attempt) this.nextAttempt = attempt
    this.notify()
  }

  /** At most once a frame: a fast log would otherwise keep the page busy. */
  private notify(): void {
    if (this.isNotifying) return
    this.isNotifying = true
    const run = (): void => {
      this.isNotifying = false
      this.version++
      for (const listener of this.listeners) listener()
    }
    // In the background there are no frames.
    if (document.hidden) setTimeout(run, 100)
    else requestAnimationFrame(run)
  }
}
