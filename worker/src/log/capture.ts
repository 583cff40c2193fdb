import type { Readable } from 'node:stream'
import { LineFlag, type StreamTotals } from '@jobtrail/protocol/log/chunk'
import { ForwardClock } from '../clock.js'
import type { Chunker } from './chunker.js'
import { LineSplitter } from './line-splitter.js'
import { Masker } from './masker.js'
import type { Verdict } from './pressure.js'
import type { SecretPatterns } from './secret-patterns.js'
import type { Side, StreamLog } from './stream-log.js'

export interface CaptureOptions {
  chunker: Chunker
  secrets: SecretPatterns | undefined
  clock?: ForwardClock
  /** What the producer has to do now. */
  judge: (current: Verdict) => Verdict
  /** Whether a producer that was told to wait and did not has to lose lines now. */
  isOverrun: () => boolean
  onStopped: (capture: StreamCapture) => void
  /** The last chunk is made: puts the end on disk. */
  onEnd: (totals: StreamTotals) => Promise<void>
  onFault: (error: unknown, what: string) => void
}
type Intake = { splitter: LineSplitter; masker: Masker | undefined }
type Pipe = { readable: Readable; finish: () => void }

/** Takes the output of one attempt: reads its pipes or the writes of a handler, and makes the producer wait under pressure. */
export class StreamCapture implements StreamLog {
  private readonly options: CaptureOptions
  private readonly clock: ForwardClock
  private readonly intakes: Partial<Record<Side, Intake>> = {}
  private readonly pipes = new Set<Pipe>()
  private verdict: Verdict = 'go'
  private writableWaiters: (() => void)[] = []
  private ending: Promise<StreamTotals> | undefined
  private pipesDone: (() => void) | undefined
  private isOver = false
  /** The producer has ended: what is left is read, whatever the pressure. */
  private isEnding = false
  /** Losses that the end of the log tells. */
  private readonly cuts = new Set<string>()

  constructor(options: CaptureOptions) {
    this.options = options
    this.clock = options.clock ?? new ForwardClock()
  }

  capture(readable: Readable, side: Side): void {
    const intake = this.intakeFor(side)
    const pipe: Pipe = {
      readable,
      finish: () => {
        if (!this.pipes.delete(pipe)) return
        endIntake(intake, this.clock.now())
        if (this.pipes.size === 0) this.pipesDone?.()
      },
    }
    this.pipes.add(pipe)
    readable.on('data', (bytes: Buffer) => {
      if (!this.pipes.has(pipe)) return
      take(intake, bytes, this.clock.now())
      this.check()
    })
    readable.on('error', (error) => {
      this.options.onFault(error, `read ${side}`)
      if (this.pipes.has(pipe)) this.options.chunker.noteLoss('capture-failed', `${side} could not be read any further: ${error.message}`, this.clock.now())
      pipe.finish()
    })
    readable.once('end', pipe.finish)
    readable.once('close', pipe.finish)
    if (this.verdict === 'wait') readable.pause()
  }

  write(side: Side, bytes: Buffer): boolean {
    if (this.isOver) return true
    // A copy: lines are kept by reference, and the caller may use its buffer again.
    take(this.intakeFor(side), Buffer.from(bytes), this.clock.now())
    this.check()
    if (this.verdict === 'wait' && this.options.isOverrun()) this.options.chunker.isDropping = true
    return this.verdict !== 'wait'
  }

  writable(): Promise<void> {
    if (this.verdict !== 'wait') return Promise.resolve()
    return new Promise((resolve) => this.writableWaiters.push(resolve))
  }

  cutOff(text: string): void {
    if (!this.isOver) this.cuts.add(text)
  }

  end(graceMs: number): Promise<StreamTotals> {
    this.ending ??= this.finish(graceMs)
    return this.ending
  }

  get isStopped(): boolean {
    return this.verdict !== 'go'
  }

  /** Looks again at whether the producer has to wait; called after each read and when something was sent. */
  check(): void {
    if (this.isEnding) return
    const verdict = this.options.judge(this.verdict)
    if (verdict === this.verdict) return
    this.verdict = verdict
    this.options.chunker.isDropping = verdict === 'drop'
    if (verdict === 'wait') for (const { readable } of this.pipes) readable.pause()
    else this.goOn()
    if (verdict !== 'go') this.options.onStopped(this)
  }

  private goOn(): void {
    for (const { readable } of this.pipes) readable.resume()
    const waiters = this.writableWaiters
    this.writableWaiters = []
    for (const resolve of waiters) resolve()
  }

  private intakeFor(side: Side): Intake {
    const { chunker, secrets } = this.options
    const flag = side === 'stderr' ? LineFlag.STDERR : 0
    return (this.intakes[side] ??= {
      splitter: new LineSplitter(flag, (text, flags, at) => chunker.add(text, flags, at)),
      masker: secrets === undefined ? undefined : new Masker(secrets),
    })
  }

  private async finish(graceMs: number): Promise<StreamTotals> {
    this.isEnding = true
    this.verdict = 'go'
    this.goOn()
    if (this.pipes.size > 0) await this.untilPipesEnd(graceMs)
    this.isOver = true
    const at = this.clock.now()
    // Pipes have ended their own; this is for what a handler wrote.
    for (const intake of Object.values(this.intakes)) endIntake(intake, at)
    for (const text of this.cuts) this.options.chunker.noteLoss('cut-off', text, at)
    const totals = this.options.chunker.end(at)
    await this.options.onEnd(totals)
    return totals
  }

  private async untilPipesEnd(graceMs: number): Promise<void> {
    const done = new Promise<void>((resolve) => {
      this.pipesDone = resolve
    })
    const timer = setTimeout(() => {
      this.cutOff('output that was still held open after the end of the process was cut off')
      for (const { readable } of this.pipes) readable.destroy()
    }, graceMs)
    await done
    clearTimeout(timer)
  }
}

const take = ({ splitter, masker }: Intake, bytes: Buffer, at: number): void => splitter.push(masker === undefined ? bytes : masker.feed(bytes), at)

function endIntake({ splitter, masker }: Intake, at: number): void {
  if (masker !== undefined) splitter.push(masker.end(), at)
  splitter.end(at)
}
