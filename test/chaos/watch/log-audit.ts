import type { Run } from '../load/run.js'
import type { Findings } from '../oracle/findings.js'
import { bytesProblems, closedLogProblems } from '../oracle/log-lines.js'
import { isClosedLog, type StateView } from '../oracle/states.js'
import { hasStopped, linesWritten, staysInterrupted, type WitnessFolder } from '../oracle/witness.js'
import type { Reading } from './reading.js'

/** A log that was still open when its run had ended already: that of an attempt that was lost. */
export interface OpenLog {
  readonly run: Run
  readonly attempt: number
}

/** Compares logs that are not added to any more with what their processes wrote. */
export class LogAudit {
  /** To be looked at when nothing is broken any more. */
  readonly left: OpenLog[] = []
  /** How many ended in which state. */
  readonly states = new Map<string, number>()

  constructor(
    private readonly reading: Reading,
    private readonly witness: WitnessFolder,
    private readonly findings: Findings,
    private readonly mayBeOfFormer: (run: Run, attempt: number) => boolean,
    private readonly ranOnFormer: (run: Run, attempt: number) => boolean,
  ) {}

  /** Every closed log of a run. False: nobody could answer just then. */
  async auditAll(run: Run, view: StateView): Promise<boolean> {
    if (run.kind.isSilent === true) return true
    const open: OpenLog[] = []
    for (const { attempt, logState } of view.attempts) {
      if (!isClosedLog(logState)) open.push({ run, attempt })
      else if (!(await this.audit(run, attempt, logState))) return false
    }
    this.left.push(...open)
    return true
  }

  /** Nothing is left that could close it: no process was started, or one of the former version's worker was killed before any of its output was stored. */
  staysInterrupted(run: Run, { attempt, logState, logLines }: StateView['attempts'][number]): boolean {
    return staysInterrupted(this.witness.read(run.id), attempt, logState) || (logState === 'interrupted' && logLines === 0 && this.ranOnFormer(run, attempt))
  }

  /** One log, in whatever state it is. */
  async audit(run: Run, attempt: number, state: string): Promise<boolean> {
    const what = `the log of attempt ${attempt} of run ${run.id} of ${run.kind.name}`
    const verified = await this.reading.verifyProblems(run, attempt)
    const problems = run.kind.bytes === undefined ? await this.lineProblems(run, attempt, what) : await this.rawProblems(run, attempt, what)
    if (problems === undefined || verified === undefined) return false
    this.findings.check('log-whole', [...problems, ...verified.map((problem) => `${what}: ${problem}`)])
    this.states.set(state, (this.states.get(state) ?? 0) + 1)
    return true
  }

  private async lineProblems(run: Run, attempt: number, what: string): Promise<string[] | undefined> {
    const expected = run.kind.output?.(run, attempt)
    if (expected === undefined) return []
    const page = await this.reading.whole(run, attempt)
    if (page === undefined) return undefined
    const lines = this.witness.read(run.id)
    const log = {
      what,
      state: page.state,
      namesLoss: page.namesLoss,
      lines: page.lines,
      written: linesWritten(lines, attempt),
      hasEnded: hasStopped(lines, attempt),
      mayBeOfFormer: this.mayBeOfFormer(run, attempt),
    }
    return closedLogProblems(log, expected)
  }

  private async rawProblems(run: Run, attempt: number, what: string): Promise<string[] | undefined> {
    const expected = run.kind.bytes?.(run, attempt)
    if (expected === undefined) return []
    const page = await this.reading.page(run, attempt, 0, 1)
    const got = await this.reading.bytes(run, attempt)
    if (page === undefined || got === undefined) return undefined
    const { state, namesLoss } = page
    const hasEnded = hasStopped(this.witness.read(run.id), attempt)
    return bytesProblems({ what, state, namesLoss, hasEnded, mayBeOfFormer: this.mayBeOfFormer(run, attempt), got }, expected)
  }
}
