import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common'
import { attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { eachAlone } from '../platform/map-bounded.js'
import { type ExpectedStream, LogStreamsRepository } from './log-streams.repository.js'
import { LogStreamsService } from './log-streams.service.js'

const EVERY_MS = 10_000
/** A worker has this long from an attempt's end to its seal before anybody looks. */
const OVERDUE_MS = 15_000
/** An ended stream that is not complete and did not grow for so long is interrupted. */
const STALLED_MS = 60_000
const STREAMS_A_SWEEP = 200
const STREAMS_AT_A_TIME = 4

/**
 * Notices seals that never came: of a stream whose attempt has ended, it seals what is complete after all, and calls interrupted what stopped arriving. Every
 * server sweeps; that is harmless, as all of it is conditional on the state.
 */
@Injectable()
export class LogStreamsSweeper implements OnApplicationBootstrap, OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined
  private isStopped = false

  constructor(
    private readonly repository: LogStreamsRepository,
    private readonly streams: LogStreamsService,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.schedule()
  }

  onApplicationShutdown(): void {
    this.isStopped = true
    clearTimeout(this.timer)
  }

  private schedule(): void {
    if (this.isStopped) return
    this.timer = setTimeout(() => void this.run(), EVERY_MS * (0.75 + Math.random() / 2))
  }

  private async run(): Promise<void> {
    try {
      await this.sweep()
    } catch (err) {
      this.logger.warn('The sweep of log streams failed', { err })
    } finally {
      this.schedule()
    }
  }

  /** One round. */
  async sweep(): Promise<void> {
    const { open, interrupted } = await this.repository.countUnsealed()
    this.metrics.unsealedStreams.set({ state: 'open' }, open)
    this.metrics.unsealedStreams.set({ state: 'interrupted' }, interrupted)
    const overdue = await this.repository.findOverdue(new Date(this.clock.now() - OVERDUE_MS), STREAMS_A_SWEEP)
    await eachAlone(
      overdue,
      STREAMS_AT_A_TIME,
      (stream) => this.check(stream),
      ({ key }, err) => this.logger.error('An overdue log stream could not be looked at; the next sweep tries again', { stream: attemptKeyString(key), err }),
    )
  }

  private async check({ key, expected, progress }: ExpectedStream): Promise<void> {
    const now = this.clock.now()
    const decision = await this.streams.decide(key, expected, await this.repository.find(key))
    const { storedLines } = decision
    if (decision.state === 'sealed') {
      await this.streams.seal([{ ...key, totals: expected }])
      this.logger.info('Sealed a log stream whose seal was lost', { stream: attemptKeyString(key) })
    } else if (decision.state === 'conflict') {
      await this.streams.interrupt(key, `What is stored does not agree with what the worker announced: ${decision.reason ?? ''}`)
    } else if (progress === undefined || progress.lines !== storedLines) {
      await this.repository.noteProgress(key, { lines: storedLines, at: new Date(now) })
    } else if (now - progress.at.getTime() >= STALLED_MS) {
      await this.streams.interrupt(key, `The attempt ended with ${expected.lines} lines, of which the worker has delivered ${storedLines}`)
    }
  }
}
