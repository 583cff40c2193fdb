import { Injectable } from '@nestjs/common'
import type { Overview, OverviewBucket, OverviewJob, OverviewQuery } from '@jobtrail/api/overview'
import { ValidationError } from '@jobtrail/protocol/domain/errors'
import type { Principal } from '../rights/principal.js'
import { type JobCount, type LogVolumes, MAX_ATTEMPTS, MAX_RUNS, type NamespaceFilter, type RunCounts, type Span } from '../engine/domain/run-counts.js'
import { Clock } from '../platform/clock.js'
import { UserGate } from '../platform/user-gate.js'
import { bucketSize, bucketStarts } from './domain/buckets.js'
import { OverviewReads } from './overview-reads.service.js'

const DAY_MS = 86_400_000
const LONGEST_MS = 366 * DAY_MS
/** As many browsers as there are may look: each span is counted once in this time, or in so many times what counting took. */
const KEEP_MS = 3_000
const KEEP_FACTOR = 10
const ABOUT_NOW_MS = 10_000
const MOST_KEPT = 200

type Asking = { key: string; user: string; gone: AbortController; overview: Promise<Overview> }

/** How things stand in the namespaces that one may see. */
@Injectable()
export class OverviewService {
  /** Each count reads up to 100,000 runs: with few at a time, MongoDB has time for what runs. Those who ask for the same wait for the same one. */
  private readonly gate = new UserGate({ what: 'overviews', running: 2, runningPerUser: 1, waiting: 64, waitingPerUser: 16, waitMs: 25_000 })
  /** Answers, and counts that have begun. */
  private readonly kept = new Map<string, { until: number; overview: Promise<Overview> }>()
  /** Questions that wait for their turn, or are being answered: one of each user. */
  private asking: Asking[] = []

  constructor(
    private readonly reads: OverviewReads,
    private readonly clock: Clock,
  ) {}

  async get(principal: Principal, query: OverviewQuery): Promise<Overview> {
    const namespaces = principal.namespaceFilter(query.namespace)
    const nowMs = this.clock.now()
    const toMs = query.to === undefined ? nowMs : Date.parse(query.to)
    const fromMs = query.from === undefined ? toMs - DAY_MS : Date.parse(query.from)
    if (fromMs >= toMs) throw new ValidationError('from', 'must be before `to`')
    if (toMs - fromMs > LONGEST_MS) throw new ValidationError('from', 'must be at most 366 days before `to`')
    // Up to now: the same question each time that it is asked.
    const end = Math.abs(toMs - nowMs) < ABOUT_NOW_MS ? 'now' : Math.round(toMs / KEEP_MS)
    return this.once(JSON.stringify([namespaces, Math.round((toMs - fromMs) / KEEP_MS), end]), principal, () =>
      this.count(namespaces, { fromMs, toMs, bucketMs: bucketSize(fromMs, toMs) }),
    )
  }

  private once(key: string, principal: Principal, count: () => Promise<Overview>): Promise<Overview> {
    const known = this.known(key)
    if (known !== undefined) return known
    const user = principal.key
    const own = this.asking.find((each) => each.key === key && each.user === user)
    if (own !== undefined) return own.overview
    const gone = new AbortController()
    const overview = this.inTurn(key, user, count, gone.signal).finally(() => {
      this.asking = this.asking.filter((each) => each !== asking)
    })
    const asking: Asking = { key, user, gone, overview }
    this.asking.push(asking)
    return overview
  }

  /** Counts when the user's turn comes, unless another user's came sooner. Only what has begun is shared: until then it waits behind its user's other questions. */
  private async inTurn(key: string, user: string, count: () => Promise<Overview>, gone: AbortSignal): Promise<Overview> {
    let leave: () => void
    try {
      leave = await this.gate.enter(user, gone)
    } catch (error) {
      const known = this.known(key)
      if (known !== undefined) return known
      throw error
    }
    const known = this.known(key)
    if (known !== undefined) {
      leave()
      return known
    }
    const nowMs = this.clock.now()
    for (const [old, { until }] of this.kept) if (nowMs >= until || this.kept.size >= MOST_KEPT) this.kept.delete(old)
    const overview = this.timed(key, count).finally(leave)
    this.kept.set(key, { until: Infinity, overview })
    for (const each of this.asking) if (each.key === key) each.gone.abort()
    return overview
  }

  private known(key: string): Promise<Overview> | undefined {
    const found = this.kept.get(key)
    return found !== undefined && this.clock.now() < found.until ? found.overview : undefined
  }

  private async timed(key: string, count: () => Promise<Overview>): Promise<Overview> {
    const startedAt = this.clock.now()
    try {
      const overview = await count()
      const endedAt = this.clock.now()
      const entry = this.kept.get(key)
      if (entry !== undefined) entry.until = endedAt + Math.max(KEEP_MS, KEEP_FACTOR * (endedAt - startedAt))
      return overview
    } catch (error) {
      this.kept.delete(key)
      throw error
    }
  }

  private async count(namespaces: NamespaceFilter, span: Span): Promise<Overview> {
    const [waiting, running, runs, volume, fires, logs] = await Promise.all([
      this.reads.count(namespaces, 'WAITING'),
      this.reads.count(namespaces, 'RUNNING'),
      this.reads.runs(namespaces, span),
      this.reads.logVolume(namespaces, span),
      this.reads.nextFires(namespaces),
      this.reads.logTrouble(this.clock.now()),
    ])
    const buckets = bucketsOf(span, runs, volume)
    const sum = (member: 'succeeded' | 'failed' | 'timedOut' | 'cancelled'): number => buckets.reduce((total, bucket) => total + bucket[member], 0)
    return {
      from: new Date(span.fromMs).toISOString(),
      to: new Date(span.toMs).toISOString(),
      since: sinceOf(span, runs, MAX_RUNS),
      logsSince: sinceOf(span, volume, MAX_ATTEMPTS),
      bucketMs: span.bucketMs,
      waiting,
      running,
      ended: { succeeded: sum('succeeded'), failed: sum('failed'), timedOut: sum('timedOut'), cancelled: sum('cancelled') },
      buckets,
      slowest: runs.slowest.map(jobView),
      failing: runs.failing.map(jobView),
      nextFires: fires.flatMap(({ _id, name, namespace, nextFireAt }) =>
        nextFireAt === null ? [] : [{ jobId: _id, jobName: name, namespace, at: nextFireAt.toISOString() }],
      ),
      logs,
    }
  }
}

function bucketsOf({ fromMs, toMs, bucketMs }: Span, { buckets }: RunCounts, volume: LogVolumes): OverviewBucket[] {
  const views = new Map(
    bucketStarts(fromMs, toMs, bucketMs).map((at): [number, OverviewBucket] => [
      at / bucketMs,
      { at: new Date(at).toISOString(), succeeded: 0, failed: 0, timedOut: 0, cancelled: 0, unfinished: 0, lines: 0, bytes: 0 },
    ]),
  )
  const member = {
    SUCCEEDED: 'succeeded',
    FAILED: 'failed',
    TIMED_OUT: 'timedOut',
    CANCELLED: 'cancelled',
    WAITING: 'unfinished',
    RUNNING: 'unfinished',
  } as const
  for (const { _id, count } of buckets) {
    const view = views.get(_id.bucket)
    if (view !== undefined) view[member[_id.status]] += count
  }
  const last = [...views.keys()].at(-1) ?? 0
  for (const { bucket, lines, bytes } of volume.buckets) {
    // A run may have been dispatched later than the span in which it was made.
    const view = views.get(Math.min(bucket, last))
    if (view === undefined) continue
    view.lines += lines
    view.bytes += bytes
  }
  return [...views.values()]
}

/** Since when all is counted: from the beginning, unless there was more than is looked at. */
const sinceOf = ({ fromMs }: Span, { seen, oldest }: { seen: number; oldest: Date | undefined }, most: number): string =>
  (seen >= most && oldest !== undefined ? oldest : new Date(fromMs)).toISOString()

function jobView({ _id, ...rest }: JobCount): OverviewJob {
  return { jobId: _id, ...rest }
}
