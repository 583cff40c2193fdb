import { setTimeout as sleep } from 'node:timers/promises'
import type { Ledger, Run } from '../load/run.js'
import type { Findings } from '../oracle/findings.js'
import type { Exact } from '../oracle/json.js'
import { isClosedLog, isFinal, type StateView, stateProblems } from '../oracle/states.js'
import { attemptProblems, type WitnessFolder } from '../oracle/witness.js'
import type { LogAudit } from './log-audit.js'
import { type Reading, stateView } from './reading.js'

const PAUSE_MS = 30
const AGAIN_MS = 1_200
/** Many, since a look at a frozen server takes until its time is up. */
const PARALLEL = 12

/** Looks at every run again and again until it has ended, and then at all that it left. */
export class RunWatch {
  private readonly nextLook = new Map<string, number>()
  private loops: Promise<void>[] = []
  private isStopping = false

  constructor(
    private readonly ledger: Ledger,
    private readonly reading: Reading,
    private readonly logs: LogAudit,
    private readonly witness: WitnessFolder,
    private readonly findings: Findings,
    private readonly mayBeOfFormer: (run: Run, attempt: number) => boolean,
  ) {}

  start(): void {
    this.loops = Array.from({ length: PARALLEL }, () => this.keepLooking())
  }

  async stop(): Promise<void> {
    this.isStopping = true
    await Promise.all(this.loops)
  }

  private async keepLooking(): Promise<void> {
    while (!this.isStopping) {
      const run = this.next()
      if (run !== undefined) await this.look(run)
      await sleep(PAUSE_MS)
    }
  }

  /** The one that has waited longest for a look. It is nobody else's until that is over. */
  private next(): Run | undefined {
    const now = performance.now()
    let best: Run | undefined
    for (const run of this.ledger.waiting) {
      const at = this.nextLook.get(run.id) ?? 0
      if (at <= now && (best === undefined || at < (this.nextLook.get(best.id) ?? 0))) best = run
    }
    if (best !== undefined) this.nextLook.set(best.id, Number.POSITIVE_INFINITY)
    return best
  }

  private async look(run: Run): Promise<void> {
    try {
      const [retries, isLeft] = [run.retries, run.isLeft]
      const detail = await this.reading.detail(run)
      if (detail === null)
        this.findings.check('kept', [`run ${run.id} of ${run.kind.name}, acknowledged at ${new Date(run.acknowledgedAt).toISOString()}, is not there`])
      if (detail === undefined || detail === null) return
      const now = stateView(detail)
      const name = `run ${run.id} of ${run.kind.name}: `
      const before = run.view
      run.view = now
      this.findings.check(
        'states',
        stateProblems(before, now, retries > 0, (attempt) => this.mayBeOfFormer(run, attempt)).map((problem) => name + problem),
      )
      const last = now.attempts.at(-1)
      if (!isFinal(now.status) || !isLeft) return
      // A log that stays interrupted is left for the end: should a process have been started after all, it must close then.
      const isWaited = last !== undefined && !isClosedLog(last.logState) && !this.logs.staysInterrupted(run, last)
      if (isWaited) return
      if (await this.audit(run, detail, now)) {
        this.ledger.settle(run)
        this.nextLook.delete(run.id)
      }
    } finally {
      if (!run.isAudited) this.nextLook.set(run.id, performance.now() + AGAIN_MS)
    }
  }

  /** All there is to say about a run that has ended. False: nobody could answer just then. */
  private async audit(run: Run, detail: Exact, view: StateView): Promise<boolean> {
    if (!(await this.logs.auditAll(run, view))) return false
    const lines = this.witness.read(run.id)
    const name = `run ${run.id} of ${run.kind.name}: `
    this.findings.check(
      'one-at-a-time',
      attemptProblems(lines).map((problem) => name + problem),
    )
    this.findings.check(
      'outcome',
      (run.kind.judge?.(run, detail, lines) ?? []).map((problem) => name + problem),
    )
    if (run.kind.data !== undefined && view.status === 'SUCCEEDED')
      this.findings.check(
        'data-exact',
        run.kind.data(run, detail).map((problem) => name + problem),
      )
    return true
  }
}
