import { type LogLineView, LOG_SEARCH_LIMIT } from '@jobtrail/api/logs'
import { isProblem } from '../api/problem'
import { type LogKey, searchLog, type SearchTerms } from '../api/logs'
import { Matches } from './logic/matches'

/** Enough to step through; beyond it the answer says so. */
const MAX_MATCHES = LOG_SEARCH_LIMIT
const LIVE_PAUSE_MS = 1_000
const RETRY_MS = [1_000, 2_000, 5_000, 10_000]
const CONTEXT_LINES = 150
const FOUND_AT_ONCE = 500

export type SearchPhase = 'searching' | 'done' | 'failed'

/** One search through a whole log, in the server's bounded calls; goes on as the log grows. */
export class SearchRun {
  matches = new Matches()
  phase: SearchPhase = 'searching'
  error: unknown
  /** Lines looked through, of so many. */
  searched = 0
  total = 0
  private next = 0
  private failures = 0
  private version = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private readonly listeners = new Set<() => void>()
  private readonly ended = new AbortController()

  constructor(
    private readonly key: LogKey,
    readonly terms: SearchTerms,
  ) {}

  get isCapped(): boolean {
    return this.matches.lines.length >= MAX_MATCHES
  }

  start(): () => void {
    void this.run()
    return () => {
      clearTimeout(this.timer)
      this.ended.abort()
    }
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  getVersion = (): number => this.version

  /** The log has more lines now. */
  grew(total: number): void {
    if (this.phase !== 'done' || total <= this.next || this.isCapped || this.timer !== undefined) return
    this.timer = setTimeout(() => {
      this.timer = undefined
      void this.run()
    }, LIVE_PAUSE_MS)
  }

  /** Matches from line `n` on with the lines around them. */
  async around(n: number, context: number): Promise<LogLineView[]> {
    const { matches } = await searchLog(this.key, { ...this.terms, from: n, limit: Math.ceil(CONTEXT_LINES / (2 * context + 1)), context }, this.ended.signal)
    return matches.flatMap(({ line, before = [], after = [] }) => [...before, ...(line === undefined ? [] : [line]), ...after])
  }

  /** Everything that was found up to now with the lines around it, each line once and in order, in parts of bounded size. */
  async *found(context: number): AsyncGenerator<LogLineView[]> {
    const last = this.matches.lines.at(-1) ?? -1
    let after = -1
    for (let from = 0; from <= last;) {
      const { matches, next } = await searchLog(this.key, { ...this.terms, from, limit: FOUND_AT_ONCE, context }, this.ended.signal)
      const lines: LogLineView[] = []
      for (const { n, line, before = [], after: following = [] } of matches) {
        if (n > last) break
        for (const each of [...before, ...(line === undefined ? [] : [line]), ...following]) {
          if (each.n <= after) continue
          after = each.n
          lines.push(each)
        }
      }
      yield lines
      from = next ?? last + 1
    }
  }

  private async run(): Promise<void> {
    try {
      for (;;) {
        const page = await searchLog(
          this.key,
          { ...this.terms, from: this.next, limit: MAX_MATCHES - this.matches.lines.length, lines: false },
          this.ended.signal,
        )
        this.failures = 0
        for (const { n, at } of page.matches) this.matches.add(n, at)
        this.next = page.next ?? page.total
        this.searched = this.next
        this.total = page.total
        if (this.next >= page.total || this.isCapped) break
        this.change('searching')
      }
      this.change('done')
    } catch (error) {
      if (this.ended.signal.aborted) return
      this.error = error
      // A wrong pattern stays wrong; a server that is away comes back.
      if (isProblem(error) && error.isTransient) this.again()
      else this.change('failed')
    }
  }

  private again(): void {
    const pauseMs = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)] ?? 0
    this.change('searching')
    this.timer = setTimeout(
      () => {
        this.timer = undefined
        void this.run()
      },
      pauseMs * (0.75 + Math.random() / 2),
    )
  }

  private change(phase: SearchPhase): void {
    this.phase = phase
    this.version++
    for (const listener of this.listeners) listener()
  }
}
