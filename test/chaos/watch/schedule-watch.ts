import { setTimeout as sleep } from 'node:timers/promises'
import type { Access } from '../cluster/sign-in.js'
import type { LoadApi } from '../load/api.js'
import type { Ledger } from '../load/run.js'
import type { DefinedJob, Workload } from '../load/workload.js'
import type { Findings } from '../oracle/findings.js'
import { type Exact, listOf, parseExact, textOf } from '../oracle/json.js'
import { scheduleProblems } from '../oracle/schedules.js'

const LOOK_MS = 2_500
const PAGE = 100

/** One run as a list shows it. */
export interface Listed {
  readonly id: string
  readonly status: string
  readonly scheduledFor: string
}

/** Finds the runs that schedules make, and in the end whether they made all of them. */
export class ScheduleWatch {
  private loop: Promise<void> = Promise.resolve()
  private isStopping = false

  constructor(
    private readonly workload: Workload,
    private readonly ledger: Ledger,
    private readonly api: LoadApi,
    private readonly access: Access,
    private readonly findings: Findings,
  ) {}

  start(): void {
    this.loop = this.keepLooking()
  }

  async stop(): Promise<void> {
    this.isStopping = true
    await this.loop
  }

  /** Every run of a job, newest first; undefined when the bench ends before. */
  async listAll(job: DefinedJob): Promise<Listed[] | undefined> {
    const items: Listed[] = []
    for (let cursor = ''; ;) {
      const answer = await this.api.insist(`/api/instances?jobId=${job.id}&limit=1000${cursor}`, this.access.viewer[job.kind.namespace])
      if (answer === undefined) return undefined
      const page = parseExact(answer.body.toString('utf8'))
      items.push(...listOf(page, 'items').map(listed))
      const next = textOf(page, 'next')
      if (next === '') return items
      cursor = `&cursor=${encodeURIComponent(next)}`
    }
  }

  /** What a schedule has made in all, compared with its times. */
  judge({ kind, createdAt, disabling }: DefinedJob, items: readonly Listed[]): void {
    if (kind.schedule === undefined || disabling === undefined) return
    const schedule = { name: kind.name, ...kind.schedule, createdAt, disabling }
    const problems = scheduleProblems(
      schedule,
      items.map(({ scheduledFor }) => Date.parse(scheduledFor)),
    )
    // Each of its times was looked at.
    for (let i = 1; i < items.length; i++) this.findings.check('fires-once')
    this.findings.check('fires-once', problems)
  }

  /** Takes what a list shows of a job as runs to be watched. */
  note(job: DefinedJob, items: readonly Listed[]): void {
    for (const { id } of items) this.ledger.add({ id, kind: job.kind, jobId: job.id, params: '', variant: 0, acknowledgedAt: Date.now(), isLeft: true })
  }

  private async keepLooking(): Promise<void> {
    const scheduled = this.workload.jobs.filter(({ kind }) => kind.schedule !== undefined && kind.isSilent !== true)
    while (!this.isStopping) {
      for (const job of scheduled) {
        const answer = await this.api.once(`/api/instances?jobId=${job.id}&limit=${PAGE}`, this.access.viewer[job.kind.namespace])
        if (answer?.status === 200) this.note(job, listOf(parseExact(answer.body.toString('utf8')), 'items').map(listed))
      }
      await sleep(LOOK_MS)
    }
  }
}

function listed(item: Exact): Listed {
  return { id: textOf(item, 'id'), status: textOf(item, 'status'), scheduledFor: textOf(item, 'scheduledFor') }
}
