/** Samples that count: a clock that was set is believed after so many messages. */
const SAMPLES = 8

/**
 * What to add to a worker's times to have the cluster's. Each message that says when it was sent gives an offset that is too large by the time it took: of the last few the
 * smallest is the best.
 */
export class WorkerClock {
  private readonly samples: number[] = []

  /** `sentAt` by the worker's clock, `receivedAt` by the cluster's. */
  sample(sentAt: number, receivedAt: number): void {
    this.samples.push(receivedAt - sentAt)
    if (this.samples.length > SAMPLES) this.samples.shift()
  }

  /** Undefined when the worker never said when it sent something. */
  get offset(): number | undefined {
    return this.samples.length === 0 ? undefined : Math.min(...this.samples)
  }
}

export type Span = { startedAt: number | null; finishedAt: number }

/** A start by a worker's clock as the cluster's, between `earliest` and `now`. */
export function correctStart(startedAt: number, offset: number, earliest: number, now: number): number {
  return Math.min(now, Math.max(Math.min(earliest, now), startedAt + offset))
}

/** The times of an attempt by a worker's clock as the cluster's: in order, between `earliest` and `now`, and as far apart as the worker measured where that fits between them. */
export function correctSpan({ startedAt, finishedAt }: Span, offset: number, earliest: number, now: number): Span {
  const from = Math.min(earliest, now)
  if (startedAt === null) return { startedAt, finishedAt: Math.min(now, Math.max(from, finishedAt + offset)) }
  const duration = Math.min(Math.max(0, finishedAt - startedAt), now - from)
  const start = Math.min(now - duration, Math.max(from, startedAt + offset))
  return { startedAt: start, finishedAt: start + duration }
}
