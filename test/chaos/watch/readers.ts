import { setTimeout as sleep } from 'node:timers/promises'
import type { Ledger, Run } from '../load/run.js'
import type { Findings } from '../oracle/findings.js'
import { pieceProblems } from '../oracle/log-lines.js'
import { Readings } from '../oracle/readings.js'
import type { Random } from '../random.js'
import type { Reading } from './reading.js'

const PAUSE_MS = 150
const PAGE = 400
/** In every tenth line of a long log. */
const MARK = '→✓'

/** Reads pieces of logs while they are written, from whichever server: people who look, and who search. */
export class Readers {
  private readonly readings = new Readings()
  private loops: Promise<void>[] = []
  private isStopping = false

  constructor(
    private readonly ledger: Ledger,
    private readonly reading: Reading,
    private readonly findings: Findings,
    private readonly random: Random,
    private readonly wasFormerUp: (since: number) => boolean,
  ) {}

  start(): void {
    this.loops = [
      this.keep((run, attempt) => this.readPiece(run, attempt)),
      this.keep((run, attempt) => this.readPiece(run, attempt)),
      this.keep((run, attempt) => this.search(run, attempt)),
    ]
  }

  async stop(): Promise<void> {
    this.isStopping = true
    await Promise.all(this.loops)
  }

  private async keep(read: (run: Run, attempt: number) => Promise<void>): Promise<void> {
    while (!this.isStopping) {
      const candidates = this.ledger.waiting.filter(({ kind, view }) => kind.output !== undefined && (view?.attempts.length ?? 0) > 0)
      if (candidates.length > 0) {
        const run = this.random.pick(candidates)
        await read(run, 1 + this.random.below(run.view?.attempts.length ?? 1))
      }
      await sleep(PAUSE_MS * this.random.between(0.5, 1.5))
    }
  }

  private async readPiece(run: Run, attempt: number): Promise<void> {
    const what = `the log of attempt ${attempt} of run ${run.id} of ${run.kind.name}`
    const known = this.readings.before(what)
    // Mostly the end as it was known, so that the next lines are in it; else anywhere.
    const from = Math.max(0, this.random.next() < 0.7 ? (known?.lines ?? 0) - this.random.below(PAGE) : this.random.below((known?.lines ?? 0) + 1))
    const page = await this.reading.page(run, attempt, from, PAGE)
    const expected = run.kind.output?.(run, attempt)
    if (page === undefined || expected === undefined) return
    const due = Math.max(0, Math.min(PAGE, page.total - from))
    this.findings.check('log-prefix', [
      ...pieceProblems(what, expected, from, page.lines),
      ...(page.lines.length === due ? [] : [`${what}: a page from ${from} of ${page.total} has ${page.lines.length} lines, not ${due} (${page.url})`]),
      // The former version calls a partial log sealed.
      ...(page.state === 'sealed' && this.wasFormerUp(Date.now()) ? [] : this.readings.after(what, known, { lines: page.total, state: page.state }, page.url)),
    ])
  }

  private async search(run: Run, attempt: number): Promise<void> {
    const expected = run.kind.output?.(run, attempt)
    const found = await this.reading.search(run, attempt, MARK)
    if (expected === undefined || found === undefined) return
    const what = `a search in the log of attempt ${attempt} of run ${run.id} of ${run.kind.name}`
    this.findings.check(
      'log-prefix',
      found
        .filter(({ text }) => !text.includes(MARK) || expected.indexOf(text) === undefined)
        .map(({ n, text }) => `${what} found line ${n}, which is ${JSON.stringify(text.slice(0, 80))}`),
    )
  }
}
