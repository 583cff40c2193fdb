import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { cutText } from '@jobtrail/protocol/domain/cut-text'
import type { FinishedStatus } from '@jobtrail/protocol/domain/statuses'
import type { StreamTotals } from '@jobtrail/protocol/log/chunk'
import { genesisDigest } from '@jobtrail/protocol/log/codec'
import { readUserJson } from '@jobtrail/protocol/json/json-text'
import { resultOf } from '@jobtrail/protocol/wire/attempt-result'
import type { Assignment } from '@jobtrail/protocol/wire/assignment'
import { type AttemptEnd, MAX_ERROR_LENGTH, MAX_PROGRESS_LENGTH } from '@jobtrail/protocol/wire/worker'
import { ForwardClock, monotonicMs } from './clock.js'
import { TextMasker } from './log/masker.js'
import { SecretPatterns } from './log/secret-patterns.js'
import type { LogPipeline, StreamLog } from './log/pipeline.js'
import type { Reports } from './reports.js'
import { type Execution, failure, type Outcome, type Runner, startFailure } from './run/runner.js'
import { describeError } from './errors.js'
import type { WorkerLogger } from './sdk-types.js'

/** Why an attempt was asked to end. A stopping worker is a failure, not a cancellation, so that the job's retry policy applies. */
export type StopReason = 'cancelled' | 'timed-out' | 'worker-stopped'

/** setTimeout takes no more than this. */
const MAX_TIMER_MS = 2 ** 31 - 1
/** As much of a text is looked at: a secret that the cut would fall into is masked whole. */
const MASKED_LENGTH = 65_536
const MAX_KILL_PROBLEM_LENGTH = 1_000

export interface AttemptDeps {
  pipeline: Pick<LogPipeline, 'openStream'>
  reports: Pick<Reports, 'addStarted' | 'addProgress' | 'addEnd'>
  runners: Readonly<Record<Assignment['processor']['kind'], Runner>>
  log: WorkerLogger
  /** Kills and fences everything when the lease has run out; asked before any end is told. */
  checkLease(): void
  /** Something of the worker failed, not of the job: the disk may be full. */
  onFault(error: unknown): void
}

/** One attempt from its acceptance to its end: log stream, runner, time-out, and what is told about it. */
export class Attempt {
  readonly keyText: string
  readonly key: AttemptKey
  private execution: Execution | undefined
  private stopReason: StopReason | undefined
  private fencedBecause: string | undefined
  private startedAt: number | null = null
  private timer: NodeJS.Timeout | undefined
  private readonly clock = new ForwardClock()
  private readonly secrets: SecretPatterns | undefined
  private readonly masker: TextMasker

  constructor(
    private readonly assignment: Assignment,
    private readonly deps: AttemptDeps,
  ) {
    const { instanceId, task, attempt } = assignment
    this.key = { instanceId, task, attempt }
    this.keyText = attemptKeyString(assignment)
    this.secrets = SecretPatterns.of(Object.values(assignment.secrets))
    this.masker = new TextMasker(this.secrets)
  }

  /** No longer this worker's: it is being killed, and its end is told to no one. */
  get isFenced(): boolean {
    return this.fencedBecause !== undefined
  }

  get killGraceMs(): number {
    return this.assignment.killGraceMs
  }

  /** When its slot is free again: after {@link run}, or later for a handler that does not heed its signal. */
  get released(): Promise<void> {
    return this.execution?.released ?? Promise.resolve()
  }

  /** Runs it to its end, which is then told. */
  async run(): Promise<void> {
    const stream = this.openStream()
    const outcome = stream instanceof Error ? failure(describeError(stream)) : await this.execute(stream)
    clearTimeout(this.timer)
    const finishedAt = this.clock.now()
    const totals = stream instanceof Error ? emptyTotals(this.key) : await this.endStream(stream)
    this.deps.checkLease()
    if (this.fencedBecause === undefined) this.deps.reports.addEnd(this.describeEnd(outcome, finishedAt, totals))
    else this.deps.log.info({ attempt: this.keyText, reason: this.fencedBecause }, 'a fenced attempt has ended')
  }

  /** The first reason counts. */
  stop(reason: StopReason): void {
    if (this.stopReason !== undefined || this.isFenced) return
    if (this.execution?.stop(this.describeStop(reason)) !== false) this.stopReason = reason
  }

  fence(reason: string): void {
    if (this.isFenced) return
    this.fencedBecause = reason
    this.execution?.kill(reason)
  }

  private openStream(): StreamLog | Error {
    try {
      return this.deps.pipeline.openStream(this.key, this.assignment.log, this.secrets, this.clock)
    } catch (error) {
      this.deps.log.error({ err: error, attempt: this.keyText }, 'no log stream could be opened')
      return new Error('The worker could not open a log for the attempt', { cause: error })
    }
  }

  private async execute(stream: StreamLog): Promise<Outcome> {
    // The worker may have been frozen since it accepted the attempt; then another one may run it by now.
    this.deps.checkLease()
    if (this.isFenced || this.stopReason !== undefined) return failure('Ended before it started')
    try {
      const { assignment, key, keyText } = this
      this.execution = this.deps.runners[assignment.processor.kind].start({
        assignment,
        key: keyText,
        stream,
        onStarted: () => {
          this.startedAt = this.clock.now()
          this.deps.reports.addStarted(key, this.startedAt)
        },
        onProgress: (percent, message) => this.deps.reports.addProgress({ ...key, percent, message: this.mask(message, MAX_PROGRESS_LENGTH) }),
      })
      if (assignment.timeoutMs > 0) this.armTimeout(monotonicMs() + assignment.timeoutMs)
      return await this.execution.done
    } catch (error) {
      const failed = startFailure(error)
      // What no worker could start is no fault of this one.
      if (failed.isFinal !== true) this.deps.onFault(error)
      return failed
    }
  }

  private armTimeout(at: number): void {
    const left = at - monotonicMs()
    this.timer = setTimeout(() => (left > MAX_TIMER_MS ? this.armTimeout(at) : this.stop('timed-out')), Math.min(left, MAX_TIMER_MS))
  }

  private async endStream(stream: StreamLog): Promise<StreamTotals> {
    try {
      return await stream.end(0)
    } catch (error) {
      // The end itself must not be lost for its log; the totals do not match, so the log will not be called complete.
      this.deps.log.error({ err: error, attempt: this.keyText }, 'the log of an attempt could not be brought to its end')
      return { ...emptyTotals(this.key), losses: [{ reason: 'capture-failed', at: 0, lines: null, bytes: null }] }
    }
  }

  private describeEnd(outcome: Outcome, finishedAt: number, log: StreamTotals): AttemptEnd {
    const status = statusOf(this.stopReason, outcome)
    const reason = this.stopReason === undefined ? outcome.error : this.describeStop(this.stopReason)
    const killProblem = this.mask(outcome.killProblem ?? null, MAX_KILL_PROBLEM_LENGTH)
    const note = killProblem === null ? null : `Some of its processes could not be ended and still run: ${killProblem}`
    const error = reason !== null && note !== null ? `${note}. ${reason}` : (reason ?? note)
    return {
      ...this.key,
      status,
      startedAt: this.startedAt,
      finishedAt,
      exitCode: outcome.exitCode,
      signal: outcome.signal,
      error: this.mask(error, MAX_ERROR_LENGTH),
      ...(killProblem === null ? {} : { killProblem }),
      ...(status === 'SUCCEEDED' ? this.maskResult(outcome) : { result: null }),
      ...(outcome.isFinal === true && status === 'FAILED' ? { isFinal: true } : {}),
      log,
    }
  }

  private mask(text: string | null, maxLength: number): string | null {
    return text === null ? null : cutText(this.masker.text(text.slice(0, MASKED_LENGTH)), maxLength)
  }

  private maskResult({ result, resultText }: Outcome): Pick<AttemptEnd, 'result' | 'resultText'> {
    const isNone = resultText === undefined && (result === null || result === undefined)
    if (isNone || this.secrets === undefined) return { result, ...(resultText === undefined ? {} : { resultText }) }
    const { problem, ...masked } = resultOf(readUserJson(this.masker.json(resultText ?? JSON.stringify(result))))
    if (problem !== null) this.deps.log.warn({ attempt: this.keyText, problem }, 'a result could not be kept with its secrets masked')
    return masked
  }

  private describeStop(reason: StopReason): string {
    if (reason === 'cancelled') return 'Cancelled'
    return reason === 'timed-out' ? `Timed out after ${this.assignment.timeoutMs} ms` : 'The worker was stopped before the attempt ended'
  }
}

function statusOf(stopReason: StopReason | undefined, outcome: Outcome): FinishedStatus {
  switch (stopReason) {
    case 'cancelled':
      return 'CANCELLED'
    case 'timed-out':
      return 'TIMED_OUT'
    case 'worker-stopped':
      return 'FAILED'
    case undefined:
      return outcome.isSuccess ? 'SUCCEEDED' : 'FAILED'
  }
}

const emptyTotals = (key: AttemptKey): StreamTotals => ({ chunks: 0, lines: 0, bytes: 0, digest: genesisDigest(key), losses: [] })
