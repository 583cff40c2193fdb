import type { Readable } from 'node:stream'
import { LineFlag, type StreamTotals } from '@jobtrail/shared/log/chunk'
import type { Chunker } from './chunker.js'
import { LineSplitter } from './line-splitter.js'
import { Masker } from './masker.js'
import type { Verdict } from './pressure.js'
import type { Side, StreamLog } from './stream-log.js'

export interface CaptureOptions {
  chunker: Chunker
  secrets: readonly string[]
  /** What the producer has to do now. */
  judge: (current: Verdict) => Verdict
  /** Whether a producer that was told to wait and did not has to lose lines now. */
  isOverrun: () => boolean
  onStopped: (capture: StreamCapture) => void
  /** The last chunk is made: puts the end on disk. */
  onEnd: (totals: StreamTotals) => Promise<void>
  onFault: (error: unknown, what: string) => void
}
type Pipe = { readable: Readable; finish: () => void }

/** Takes the output of one attempt: reads its pipes or the writes of a handler, and makes the producer wait under pressure. */
export class StreamCapture implements StreamLog {
  private readonly options: CaptureOptions
  private readonly splitters: Partial<Record<Side, LineSplitter>> = {}
  private readonly pipes = new Set<Pipe>()
  private verdict: Verdict = 'go'
  private writableWaiters: (() => void)[] = []
  private ending: Promise<StreamTotals> | undefined
  private pipesDone: (() => void) | undefined
  private isOver = false

  constructor(options: CaptureOptions) {
    this.options = options
  }

  capture(readable: Readable, side: Side): void {
    const splitter = this.splitterFor(side)
    const pipe: Pipe = {
      readable,
      finish: () => {
        if (!this.pipes.delete(pipe)) return
        splitter.end(Date.now())
        if (this.pipes.size === 0) this.pipesDone?.()
      },
    }
    this.pipes.add(pipe)
    readable.on('data', (bytes: Buffer) => {
      if (!this.pipes.has(pipe)) return
      splitter.push(bytes, Date.now())
      this.check()
    })
    readable.on('error', (error) => {
      this.options.onFault(error, `read ${side}`)
      pipe.finish()
    })
    readable.once('end', pipe.finish)
    readable.once('close', pipe.finish)
    if (this.verdict === 'wait') readable.pause()
  }

  write(side: Side, bytes: Buffer): boolean {
    if (this.isOver) return true
    // A copy: lines are kept by reference, and the caller may use its buffer again.
    this.splitterFor(side).push(Buffer.from(bytes), Date.now())
    this.check()
    if (this.verdict === 'wait' && this.options.isOverrun()) this.options.chunker.isDropping = true
    return this.verdict !== 'wait'
  }

  writable(): Promise<void> {
    if (this.verdict !== 'wait') return Promise.resolve()
    return new Promise((resolve) => this.writableWaiters.push(resolve))
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

  private splitterFor(side: Side): LineSplitter {
    const { chunker, secrets } = this.options
    const flag = side === 'stderr' ? LineFlag.STDERR : 0
    return (this.splitters[side] ??= new LineSplitter(flag, Masker.create(secrets), (text, flags, at) => chunker.add(text, flags, at)))
  }

  private async finish(graceMs: number): Promise<StreamTotals> {
    if (this.pipes.size > 0) await this.untilPipesEnd(graceMs)
    this.isOver = true
    this.verdict = 'go'
    this.goOn()
    const at = Date.now()
    // Pipes have ended their own; this is for what a handler wrote.
    for (const splitter of Object.values(this.splitters)) splitter.end(at)
    const totals = this.options.chunker.end(at)
    await this.options.onEnd(totals)
    return totals
  }

  private async untilPipesEnd(graceMs: number): Promise<void> {
    const done = new Promise<void>((resolve) => {
      this.pipesDone = resolve
    })
    let timer: NodeJS.Timeout | undefined
    const expire = (): void => {
      // What the process left in a pipe that we do not read is not a grandchild's: wait until it could be read.
      if (this.verdict === 'wait') timer = setTimeout(expire, Math.max(graceMs, 100))
      else for (const { readable } of this.pipes) readable.destroy()
    }
    timer = setTimeout(expire, graceMs)
    await done
    clearTimeout(timer)
  }
}
