import { Injectable } from '@nestjs/common'
import { boundedEnd } from '@jobtrail/protocol/wire/attempt-result'
import type { ReportedEnd } from '@jobtrail/protocol/wire/worker'
import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { type AttemptDocument, type AttemptEnding, attemptId, attemptKeyOf, isHeldBy, storedTotals, type WorkerProcess } from './attempt-document.js'
import { AttemptsRepository } from './attempts.repository.js'
import { InstancesRepository } from './instances.repository.js'
import { Batcher } from '../platform/batcher.js'
import { Clock } from '../platform/clock.js'
import { isItemError } from '../platform/item-error.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { correctSpan, correctStart } from './domain/worker-clock.js'
import { AttemptLogs } from './ports/attempt-logs.js'
import { Settlement } from './settlement.js'

/** Who reports, what to add to its times to have the cluster's, and when it was given the attempt as far as this server knows. */
export type Reporter = { process: WorkerProcess; clockOffset: number; givenAt: number | undefined }
type Start = { key: AttemptKey; startedAt: number; reporter: Reporter }
type End = { end: ReportedEnd; reporter: Reporter }
type Verdict = 'ok' | 'fenced'

/** Takes what workers report of their attempts; whoever is not the attempt's holder (any more) is fenced. */
@Injectable()
export class Completion {
  private readonly starts = new Batcher<Start, Verdict>({ write: (items) => this.writeStarts(items), maxItems: 1_000, maxInFlight: 2, minBeside: 64 })
  private readonly ends = new Batcher<End, Verdict>({ write: (items) => this.writeEnds(items), maxItems: 1_000, maxInFlight: 2, minBeside: 64 })

  constructor(
    private readonly attempts: AttemptsRepository,
    private readonly instances: InstancesRepository,
    private readonly logs: AttemptLogs,
    private readonly settlement: Settlement,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
  ) {}

  started(key: AttemptKey, startedAt: number, reporter: Reporter): Promise<Verdict> {
    return this.starts.add({ key, startedAt, reporter })
  }

  /** Idempotent: the same end again is `ok`. An end that cannot be stored as it is loses what only describes it: how the attempt ended counts. */
  async finished(reported: ReportedEnd, reporter: Reporter): Promise<Verdict> {
    const end = boundedEnd(reported)
    try {
      return await this.ends.add({ end, reporter })
    } catch (err) {
      if (!isItemError(err)) throw err
      this.logger.error('The end of an attempt could not be stored; its result and error are left out', { attempt: attemptKeyString(end), err })
      const bare = { ...end, error: 'What the worker told of the end could not be stored and was left out', signal: null, result: null, resultText: undefined }
      return this.ends.add({ end: bare, reporter })
    }
  }

  /** Of attempts that are still the process's. */
  progressed(updates: readonly { key: AttemptKey; progress: NonNullable<AttemptDocument['progress']> }[], process: WorkerProcess): Promise<void> {
    return this.attempts.setProgress(
      updates.map(({ key, progress }) => ({ id: attemptId(key), progress })),
      process,
    )
  }

  async idle(): Promise<void> {
    await Promise.all([this.starts.idle(), this.ends.idle()])
    await this.settlement.idle()
  }

  private async writeStarts(reports: Start[]): Promise<Verdict[]> {
    const givenAt = await this.givenTimes(reports.map(({ key, reporter }) => ({ key, reporter })))
    const now = this.clock.now()
    const items = reports.map(({ key, startedAt, reporter }, i) => ({
      key,
      process: reporter.process,
      startedAt: correctStart(startedAt, reporter.clockOffset, givenAt[i] ?? 0, now),
    }))
    const matched = await this.attempts.markRunning(
      items.map(({ key, process, startedAt }) => ({ id: attemptId(key), process, startedAt: new Date(startedAt) })),
    )
    const known = matched === items.length ? undefined : await this.byKey(items.map(({ key }) => key))
    // One that has ended was told of its end first; one that is lost may be running elsewhere by now.
    const verdicts = items.map((item): Verdict => {
      const document = known?.get(attemptKeyString(item.key))
      return known === undefined || (document !== undefined && isHeldBy(item.process, document) && document.status !== 'LOST') ? 'ok' : 'fenced'
    })
    const ok = items.filter((_, i) => verdicts[i] === 'ok')
    await this.instances.markStarted(ok.map(({ key, startedAt }) => ({ instanceId: key.instanceId, attempt: key.attempt, startedAt: new Date(startedAt) })))
    return verdicts
  }

  private async writeEnds(reports: End[]): Promise<Verdict[]> {
    const givenAt = await this.givenTimes(reports.map(({ end, reporter }) => ({ key: end, reporter })))
    const now = this.clock.now()
    const items = reports.map(({ end, reporter }, i) => ({
      end: { ...end, ...correctSpan(end, reporter.clockOffset, givenAt[i] ?? 0, now) },
      process: reporter.process,
    }))
    const endings = items.map(({ end, process }) => ({ id: attemptId(end), process, ending: ending(end) }))
    // Attempts first: what follows from them for their instances is found by the sweep if this server dies in between.
    const matched = await this.attempts.finish(endings)
    const known = matched === items.length ? undefined : await this.byKey(items.map(({ end }) => end))
    const verdicts = items.map(({ end, process }): Verdict => {
      const document = known?.get(attemptKeyString(end))
      return known === undefined || (document !== undefined && isHeldBy(process, document) && document.status === end.status) ? 'ok' : 'fenced'
    })
    const ok = items.filter((_, i) => verdicts[i] === 'ok').map(({ end }) => end)
    // Before the instance is final: whoever follows its log learns then whether more is to come.
    await this.logs.attemptsEnded(ok.map((end) => ({ instanceId: end.instanceId, task: end.task, attempt: end.attempt, totals: end.log })))
    await this.settlement.settle(
      endings
        .filter((_, i) => verdicts[i] === 'ok')
        .map(({ id, ending: { status, startedAt, finishedAt, error, killProblem, result, resultText, isFinal } }) => {
          const isLeftRunning = killProblem !== undefined
          return { key: attemptKeyOf(id), status, startedAt, finishedAt, error, result, resultText, isLeftRunning, isFinal }
        }),
    )
    for (const end of ok) this.metrics.attemptsFinished.inc({ status: end.status })
    return verdicts
  }

  /** When each attempt was given to its worker. Another server may have done it: then the database knows. */
  private async givenTimes(reports: readonly { key: AttemptKey; reporter: Reporter }[]): Promise<(number | undefined)[]> {
    const unknown = reports.filter(({ reporter }) => reporter.givenAt === undefined).map(({ key }) => key)
    const documents = unknown.length === 0 ? new Map<string, AttemptDocument>() : await this.byKey(unknown)
    return reports.map(({ key, reporter }) => reporter.givenAt ?? documents.get(attemptKeyString(key))?.dispatchedAt.getTime())
  }

  private async byKey(keys: AttemptKey[]): Promise<Map<string, AttemptDocument>> {
    const documents = await this.attempts.findMany(keys.map(attemptId))
    return new Map(documents.map((document) => [attemptKeyString(attemptKeyOf(document._id)), document]))
  }
}

function ending(end: ReportedEnd): AttemptEnding {
  return {
    status: end.status,
    startedAt: end.startedAt === null ? null : new Date(end.startedAt),
    finishedAt: new Date(end.finishedAt),
    exitCode: end.exitCode,
    signal: end.signal,
    error: end.error,
    ...(end.killProblem === undefined ? {} : { killProblem: end.killProblem }),
    result: end.result,
    ...(end.resultText === undefined ? {} : { resultText: end.resultText }),
    ...(end.isFinal === true ? { isFinal: true } : {}),
    logTotals: end.log === null ? null : storedTotals(end, end.log),
  }
}
