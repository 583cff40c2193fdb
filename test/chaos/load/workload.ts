import { setTimeout as sleep } from 'node:timers/promises'
import type { Access } from '../cluster/sign-in.js'
import type { Findings } from '../oracle/findings.js'
import { listOf, parseExact, textOf } from '../oracle/json.js'
import { isFinal } from '../oracle/states.js'
import type { Random } from '../random.js'
import type { LoadApi } from './api.js'
import type { JobKind, User } from './kind.js'
import type { Ledger, Run } from './run.js'

/** A job that was defined. */
export interface DefinedJob {
  readonly id: string
  readonly kind: JobKind
  readonly createdAt: number
  /** When it was asked to fire no more, and when that was acknowledged. */
  disabling: { readonly asked: number; readonly done: number } | undefined
}

const LOOK_MS = 500
const CATCH_UP_MS = 60_000

/** Defines the jobs and has them run, steadily, whatever happens. */
export class Workload {
  readonly jobs: DefinedJob[] = []
  private readonly loops: Promise<void>[] = []
  private isStopping = false

  constructor(
    private readonly kinds: readonly JobKind[],
    private readonly api: LoadApi,
    private readonly access: Access,
    private readonly ledger: Ledger,
    private readonly findings: Findings,
    private readonly random: Random,
    /** Does a server run the former version, which answers 500 to data that it cannot hold, also to innocent calls beside it? */
    private readonly isFormerUp: () => boolean,
  ) {}

  /** To be called while nothing is broken yet. */
  async define(): Promise<void> {
    for (const kind of this.kinds) {
      const createdAt = Date.now()
      const body = JSON.stringify({ trigger: { kind: 'manual' }, ...kind.job, name: kind.name, namespace: kind.namespace })
      const token = this.access.admin[kind.namespace]
      const answer = await this.api.insist('/api/jobs', token, { method: 'POST', body })
      // Taken: by an earlier answer that was lost on its way.
      const found = answer?.status === 409 ? await this.api.insist(`/api/jobs?namespace=${kind.namespace}&name=${kind.name}`, token) : answer
      const value = found === undefined ? null : parseExact(found.body.toString('utf8'))
      const id = textOf(value, 'id') || textOf(value, 'items', 0, 'id')
      if (id === '') throw new Error(`the job ${kind.name} was refused: ${answer?.status} ${answer?.body.toString('utf8')}`)
      this.jobs.push({ id, kind, createdAt, disabling: undefined })
    }
  }

  start(): void {
    for (const job of this.jobs) if (job.kind.everyMs !== undefined) this.loops.push(this.keepRunning(job, job.kind.everyMs))
  }

  /** Lets no more runs begin; resolves when the last one that was asked for is acknowledged. Users go on with the runs that there are. */
  async stop(): Promise<void> {
    this.isStopping = true
    for (const job of this.jobs) {
      if (job.kind.schedule === undefined) continue
      await this.untilCaughtUp(job)
      const asked = Date.now()
      await this.api.insist(`/api/jobs/${job.id}/disable`, this.access.admin[job.kind.namespace], { method: 'POST' })
      job.disabling = { asked, done: Date.now() }
    }
    await Promise.all(this.loops)
  }

  /** Who disables a job means its times that could not be made yet, too: they are to be made first. Of one that never catches up they are found missing. */
  private async untilCaughtUp({ id, kind }: DefinedJob): Promise<void> {
    const token = this.access.admin[kind.namespace]
    for (const endAt = performance.now() + CATCH_UP_MS; performance.now() < endAt; await sleep(LOOK_MS)) {
      const answer = await this.api.insist(`/api/jobs/${id}`, token)
      const next = answer === undefined ? '' : textOf(parseExact(answer.body.toString('utf8')), 'nextFireAt')
      if (Date.parse(next) > Date.now()) return
    }
  }

  private async keepRunning(job: DefinedJob, everyMs: number): Promise<void> {
    for (let number = 0; ; number++) {
      await sleep(everyMs * this.random.between(0.5, 1.5))
      if (this.isStopping) return
      await this.runOnce(job, number)
    }
  }

  private async runOnce({ id: jobId, kind }: DefinedJob, number: number): Promise<void> {
    const { params = '', variant = 0, mayBeRefused = false } = kind.input?.(this.random, number) ?? {}
    const token = this.access.admin[kind.namespace]
    const body = `{"idempotencyKey":"${kind.name}-${number}"${params === '' ? '' : `,"params":${params}`}}`
    const answer = await this.api.insist(`/api/jobs/${jobId}/runs`, token, { method: 'POST', body }, () => mayBeRefused && this.isFormerUp())
    if (answer === undefined) return
    const value = parseExact(answer.body.toString('utf8'))
    // 200: an earlier answer to this question was lost on its way.
    if (answer.status !== 201 && answer.status !== 200) {
      const isRefusal = mayBeRefused && answer.status === 400 && listOf(value, 'errors').length > 0
      this.findings.check(
        'answers',
        isRefusal ? [] : [`a run of ${kind.name} with ${params.slice(0, 200)}: ${answer.status} ${answer.body.toString('utf8').slice(0, 300)}`],
      )
      return
    }
    const run = this.ledger.add({
      id: textOf(value, 'instanceId'),
      kind,
      jobId,
      params,
      variant,
      acknowledgedAt: Date.now(),
      isLeft: kind.meddle === undefined,
    })
    if (kind.meddle !== undefined) {
      const user = this.userOf(run, token)
      void kind.meddle(run, user).then(() => (run.isLeft = true))
    }
  }

  private userOf(run: Run, token: string): User {
    return {
      random: this.random,
      post: (path) => this.api.insist(path, token, { method: 'POST' }),
      waitForEnd: async () => {
        for (;;) {
          await sleep(LOOK_MS)
          const answer = await this.api.insist(`/api/instances/${run.id}`, token)
          if (answer === undefined) return undefined
          const status = textOf(parseExact(answer.body.toString('utf8')), 'status')
          if (isFinal(status)) return status
        }
      },
    }
  }
}
