import { setTimeout as sleep } from 'node:timers/promises'
import type { LoadApi } from '../load/api.js'
import type { Ledger, Run } from '../load/run.js'
import type { Findings } from '../oracle/findings.js'
import { isAway, listen, type StreamEvent, Unreachable } from '../oracle/http.js'
import { numberOf, parseExact, textOf } from '../oracle/json.js'
import { pieceProblems, type ShownLine } from '../oracle/log-lines.js'
import type { SecretScan } from '../oracle/secrets.js'
import { isFinal } from '../oracle/states.js'
import { lineOf, type Reading } from './reading.js'

const PARALLEL = 2
const PAUSE_MS = 300
/** A server says that it is there much more often than this. */
const SILENCE_MS = 30_000

/** Follow logs live from their first line to their end, on another server after each lost connection. */
export class Followers {
  /** Logs that were followed to their end. */
  finished = 0
  private readonly followed = new Set<string>()
  private loops: Promise<void>[] = []
  private isStopping = false

  constructor(
    private readonly ledger: Ledger,
    private readonly api: LoadApi,
    private readonly reading: Reading,
    private readonly findings: Findings,
    private readonly secrets: SecretScan,
  ) {}

  start(): void {
    this.loops = Array.from({ length: PARALLEL }, () => this.keepFollowing())
  }

  async stop(): Promise<void> {
    this.isStopping = true
    await Promise.all(this.loops)
  }

  private async keepFollowing(): Promise<void> {
    while (!this.isStopping) {
      const run = this.ledger.waiting.findLast(({ id, kind }) => kind.output !== undefined && kind.meddle === undefined && !this.followed.has(id))
      if (run === undefined) await sleep(PAUSE_MS)
      else {
        this.followed.add(run.id)
        await this.follow(run)
      }
    }
  }

  private async follow(run: Run): Promise<void> {
    const follower = new Follower(run)
    while (!this.isStopping && follower.end === undefined) {
      const url = this.api.anyUrl()
      try {
        const headers = follower.lastId === undefined ? {} : { 'last-event-id': follower.lastId }
        const events = listen(`${url}/api/instances/${run.id}/logs/follow?from=0`, this.reading.tokenOf(run), { headers, silenceMs: SILENCE_MS })
        for (let next = await events.next(); ; next = await events.next()) {
          if (next.done === true) {
            if (next.value !== undefined && !isAway(next.value))
              this.findings.check('answers', [`following ${run.id} at ${url}: ${next.value.status} ${next.value.body.toString('utf8').slice(0, 200)}`])
            break
          }
          this.findings.check('secrets', this.secrets.problems(`following the log of run ${run.id} of ${run.kind.name}`, next.value.data))
          this.findings.check(
            'log-prefix',
            follower.take(next.value).map((problem) => `${problem} (${url})`),
          )
          if (this.isStopping || follower.end !== undefined) {
            await events.return(undefined)
            break
          }
        }
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error
      }
      await sleep(PAUSE_MS)
    }
    if (follower.end !== undefined) this.finished++
  }
}

/** What one follower has seen. */
export class Follower {
  lastId: string | undefined
  end: string | undefined
  private attempt = 0
  private previous: ShownLine | undefined
  private count = 0

  constructor(private readonly run: Run) {}

  /** Takes an event, and says what is wrong with it. */
  take({ event, id, data }: StreamEvent): string[] {
    const what = `who follows the log of run ${this.run.id} of ${this.run.kind.name}`
    const value = parseExact(data)
    this.lastId = id ?? this.lastId
    const attempt = numberOf(value, 'attempt')
    if (event === 'end') {
      this.end = data
      const problems = isFinal(textOf(value, 'status')) ? [] : [`${what} is told the end, although the run is ${textOf(value, 'status')}`]
      const total = numberOf(value, 'total')
      const seen = attempt === this.attempt ? this.count : 0
      return total === seen ? problems : [...problems, `${what} has seen ${seen} lines of attempt ${attempt}, and is told that there are ${total}`]
    }
    if (event !== 'message') return []
    const line = lineOf(value)
    if (attempt < this.attempt) return [`${what} sees attempt ${attempt} after attempt ${this.attempt}`]
    if (attempt > this.attempt) {
      this.attempt = attempt
      this.previous = undefined
      this.count = 0
    }
    const problems = line.n === this.count ? [] : [`${what} sees line ${line.n} of attempt ${attempt} where line ${this.count} belongs`]
    this.count = line.n + 1
    const expected = this.run.kind.output?.(this.run, attempt)
    if (expected !== undefined) {
      const piece = this.previous === undefined ? [line] : [this.previous, line]
      problems.push(...pieceProblems(what, expected, piece[0]?.n ?? 0, piece))
    }
    this.previous = line
    return problems
  }
}
