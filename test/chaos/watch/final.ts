import { setTimeout as sleep } from 'node:timers/promises'
import type { ChaosCluster } from '../cluster/cluster.js'
import type { Ledger, Run } from '../load/run.js'
import type { Workload } from '../load/workload.js'
import type { Findings } from '../oracle/findings.js'
import { leftoverProblems, processesOf } from '../oracle/leftovers.js'
import { isClosedLog, isFinal } from '../oracle/states.js'
import { attemptProblems, type WitnessFolder } from '../oracle/witness.js'
import type { LogAudit } from './log-audit.js'
import { type Reading, stateView } from './reading.js'
import type { ScheduleWatch } from './schedule-watch.js'

const LOOK_MS = 500
/** However slow the machine is. */
const LONGEST_MS = 900_000

/** What can be judged only when nothing is broken any more and everything has had its time. */
export class FinalJudgement {
  constructor(
    private readonly cluster: ChaosCluster,
    private readonly ledger: Ledger,
    private readonly workload: Workload,
    private readonly schedules: ScheduleWatch,
    private readonly reading: Reading,
    private readonly logs: LogAudit,
    private readonly witness: WitnessFolder,
    private readonly findings: Findings,
  ) {}

  /** Waits until every run has ended and every log is closed; says what has not when nothing has got on for `quietMs`. */
  async waitUntilQuiet(quietMs: number): Promise<void> {
    const end = performance.now() + LONGEST_MS
    let left = Number.POSITIVE_INFINITY
    let deadline = 0
    for (;;) {
      const now = this.ledger.waiting.length + this.logs.left.length
      // A slow machine may take its time, as long as it gets on.
      if (now < left) deadline = Math.min(end, performance.now() + quietMs)
      left = now
      // Looked at in any case: a run that is stuck must not look like as many logs that are.
      const areLogsClosed = await this.auditLeft()
      if ((this.ledger.waiting.length === 0 && areLogsClosed) || performance.now() > deadline) break
      await sleep(LOOK_MS)
    }
    for (const run of this.ledger.all) {
      if (run.kind.isSilent === true) continue
      this.findings.check('ends', run.isAudited ? [] : [`${nameOf(run)} has not come to its end: ${describe(run)}`])
    }
    for (const { run, attempt } of this.logs.left) this.findings.check('ends', [`the log of attempt ${attempt} of ${nameOf(run)} is not closed`])
  }

  /** Logs of attempts that were lost close when their workers have come back. True when none is left. */
  private async auditLeft(): Promise<boolean> {
    for (const open of this.logs.left.slice(0, 50)) {
      const detail = await this.reading.detail(open.run)
      if (detail === undefined || detail === null) return false
      const attempt = stateView(detail).attempts[open.attempt - 1]
      const state = attempt?.logState ?? ''
      const isOver = attempt !== undefined && (isClosedLog(state) || this.logs.staysInterrupted(open.run, attempt))
      if (isOver && (await this.logs.audit(open.run, open.attempt, state))) this.logs.left.splice(this.logs.left.indexOf(open), 1)
    }
    return this.logs.left.length === 0
  }

  /** Nothing of a job may run any more. */
  judgeProcesses(): void {
    this.findings.check(
      'no-leftovers',
      leftoverProblems(processesOf(this.cluster.run), (attempt) => {
        const status = this.ledger.get(attempt.split('_')[0] ?? '')?.view?.status
        return status !== undefined && !isFinal(status)
      }),
    )
  }

  /** Everything that was acknowledged is there, as it was; every schedule has made its runs; nothing ran that nobody knows of. */
  async judgeAll(): Promise<void> {
    const listed = new Map<string, string>()
    for (const job of this.workload.jobs) {
      const items = await this.schedules.listAll(job)
      if (items === undefined) return
      for (const { id, status } of items) listed.set(id, status)
      this.schedules.judge(job, items)
      if (job.kind.isSilent !== true) continue
      for (const { id, status } of items) {
        this.findings.check('ends', isFinal(status) ? [] : [`run ${id} of ${job.kind.name} is still ${status}`])
        if (isFinal(status)) this.findings.check('outcome', status === 'SUCCEEDED' ? [] : [`run ${id} of ${job.kind.name} ended as ${status}`])
      }
    }
    for (const run of this.ledger.all) {
      const status = listed.get(run.id)
      if (status === undefined) this.findings.check('kept', [`${nameOf(run)}, acknowledged at ${new Date(run.acknowledgedAt).toISOString()}, is in no list`])
      else
        this.findings.check(
          'kept',
          run.isAudited && run.view?.status !== status ? [`${nameOf(run)} had ended as ${run.view?.status}, and is now ${status}`] : [],
        )
    }
    for (const id of this.witness.instanceIds) {
      // Once more: a process may have gone on after its run had ended.
      this.findings.check(
        'one-at-a-time',
        attemptProblems(this.witness.read(id)).map((problem) => `${nameOf(this.ledger.get(id), id)}: ${problem}`),
      )
      if (!listed.has(id)) this.findings.check('kept', [`run ${id} was executed, and is in no list`])
    }
  }
}

function nameOf(run: Run | undefined, id = run?.id): string {
  return `run ${id} of ${run?.kind.name ?? 'a job that is not known'}`
}

function describe({ view, isLeft }: Run): string {
  if (view === undefined) return 'it could not be read'
  const last = view.attempts.at(-1)
  return `${view.status}, ${view.attempts.length} attempts, the last ${last?.status ?? 'none'} with its log ${last?.logState ?? 'none'}${isLeft ? '' : ', and its user still waits'}`
}
