import { Injectable } from '@nestjs/common'
import type { LogSummary } from '@jobtrail/api/instances'
import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { isClosedLog, type LogState } from '@jobtrail/protocol/domain/statuses'
import type { LineRange, StreamTotals } from '@jobtrail/protocol/log/chunk'
import type { LogLoss } from '@jobtrail/protocol/log/losses'
import type { Resumed, SealReply } from '@jobtrail/protocol/wire/worker'
import type { AttemptLogs } from '../engine/ports/attempt-logs.js'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { SignalBus } from '../platform/signals.js'
import { mapBounded } from '../platform/map-bounded.js'
import { appendRange, differenceOf, emptyTotals, extendPrefix, gapsOf, lossesOf, type Prefix, SealCheck, type SealDecision } from './domain/stream-totals.js'
import { type ChunkPosition, LogStore } from './log-store.js'
import { type KeyedTotals, LogStreamsRepository, type StreamRecord } from './log-streams.repository.js'

/**
 * A stream as it can be read now: `prefix` is everything of a sealed or partial stream, nothing of an expired one (`had` is what that had), and of others what is stored from line 0
 * without a gap.
 */
export type StreamView = {
  state: LogState
  prefix: StreamTotals
  had?: StreamTotals
  expiredAt?: string
  reason?: string
  gaps?: LineRange[]
  losses?: LogLoss[]
}
type KeyWithTotals = AttemptKey & { totals: StreamTotals }
/** `isLost`: the attempt was given up, and no end of it was ever taken. */
type StreamToSeal = KeyWithTotals & { isLost?: boolean }
type SealResult = SealReply['results'][number]

/** Positions read in one call, and streams looked through at a time. */
const SCAN_PAGE = 1_000
const STREAMS_AT_A_TIME = 8
/** The watermark is written when a reader went this many chunks beyond it. */
const WATERMARK_STEP = 32
const WATERMARK_OF_SEAL = 20_000
const UNREAD_TOTALS = 'What the worker said of the log at the end of the attempt could not be read'
/** Over the connections that what people read has: those of leases and of logs that arrive are not to wait for them. */
const FOR_PEOPLE = { isForPeople: true }

/** The life of log streams: what is stored of them, sealing, interruption. */
@Injectable()
export class LogStreamsService implements AttemptLogs {
  constructor(
    private readonly store: LogStore,
    private readonly repository: LogStreamsRepository,
    private readonly signals: SignalBus,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** What is stored of each stream; answers in the order given. An expired one is `sealed` to its worker, which has nothing more to do for it. Never `unknown`: whether an attempt exists is for the caller to say. */
  async resume(keys: readonly AttemptKey[]): Promise<Resumed['results']> {
    const records = await this.repository.findMany(keys)
    return mapBounded(keys, STREAMS_AT_A_TIME, async (key, i) => {
      const record = records[i]
      if (record?.totals !== undefined) return { state: 'sealed' as const, ranges: wholeRange(record.totals.lines) }
      const { prefix, ranges } = await this.scan(key, record)
      return { state: record?.state === 'interrupted' ? ('interrupted' as const) : ('open' as const), ranges: [...wholeRange(prefix.lines), ...ranges] }
    })
  }

  /** Seals the streams that are stored completely, those of which something is missing as partial; says of each what became of it, in the order given. Idempotent. */
  async seal(streams: readonly StreamToSeal[]): Promise<SealReply['results']> {
    const records = await this.repository.findMany(streams)
    // Most streams have a single chunk: one look-up for all of those.
    const small = streams.filter(({ totals }, i) => totals.chunks === 1 && records[i]?.totals === undefined && records[i]?.prefix === undefined)
    const only = new Map((await this.store.onlyPositions(small)).map((position, i) => [small[i], position]))
    const decisions = await mapBounded(streams, STREAMS_AT_A_TIME, async (stream, i): Promise<SealDecision> => {
      const record = records[i]
      if (record?.state === 'expired') return { state: 'sealed', missing: [], end: emptyTotals(stream) }
      if (record?.totals !== undefined) return sealedBefore(record.totals, stream.totals)
      const position = only.get(stream)
      return this.decide(stream, stream.totals, record, position === undefined ? undefined : [position])
    })
    const beaten = await this.sealAll(
      streams.flatMap((stream, i) => {
        const decision = decisions[i]
        const record = records[i]
        if (decision?.state !== 'sealed' || record?.totals !== undefined) return []
        const { marker: _, ...end } = decision.end
        const losses = lossesOf(decision.end, stream.totals, { expected: record?.expected, isLost: stream.isLost === true })
        return [{ key: stream, totals: { ...end, losses }, announced: stream.totals }]
      }),
    )
    return streams.map((stream, i) => this.report(stream, beaten.get(attemptKeyString(stream)) ?? decisions[i]))
  }

  /** Their attempts have ended, with these totals; null: nobody could read them, so only a seal can say that the log is whole. Idempotent. */
  async attemptsEnded(streams: readonly (AttemptKey & { totals: StreamTotals | null })[]): Promise<void> {
    const known = streams.flatMap(({ totals, ...key }) => (totals === null ? [] : { ...key, totals }))
    await Promise.all([
      this.sealEmpty(known.filter(({ totals }) => totals.lines === 0)),
      this.expectTotals(known.filter(({ totals }) => totals.lines > 0)),
      ...streams.filter(({ totals }) => totals === null).map((stream) => this.interrupt(stream, UNREAD_TOTALS)),
    ])
  }

  /** Seals streams without lines, from the totals that the worker announced. Those of which lines are stored, or whose totals say otherwise, are left to the sweep. */
  private async sealEmpty(streams: readonly KeyWithTotals[]): Promise<void> {
    const haveBegun = await this.store.haveBegun(streams)
    const empty = streams.filter((stream, i) => haveBegun[i] === false && differenceOf(emptyTotals(stream), stream.totals) === undefined)
    if (empty.length < streams.length) {
      this.logger.warn('Streams announced as empty have lines, or totals that say so', { streams: streams.length - empty.length })
      await this.expectTotals(streams.filter((stream) => !empty.includes(stream)))
    }
    if (empty.length === 0) return
    await this.repository.sealNew(empty.map((stream) => ({ key: stream, totals: stream.totals })))
    this.notify(empty)
  }

  /** Notes the totals of ended attempts, so that a seal that never comes is noticed. */
  private async expectTotals(streams: readonly KeyWithTotals[]): Promise<void> {
    await this.repository.expect(
      streams.map((stream) => ({ key: stream, totals: stream.totals })),
      this.clock.date(),
    )
  }

  /** The worker is lost: says so of the stream, with what is missing as far as that can be known. It may still be sealed later. */
  async interrupt(key: AttemptKey, reason: string): Promise<void> {
    const record = await this.repository.find(key)
    if (record !== undefined && isClosedLog(record.state)) return
    const { prefix, ranges } = await this.scan(key, record)
    if (await this.repository.interrupt(key, reason, gapsOf(prefix.lines, ranges, record?.expected?.lines))) this.notify([key])
  }

  /** Whether anything of it is stored. */
  async hasLines(key: AttemptKey): Promise<boolean> {
    return (await this.store.positions(key, 0, 1)).length > 0
  }

  /** For people, of lists of attempts; answers in the order given. */
  async summaries(keys: readonly AttemptKey[]): Promise<LogSummary[]> {
    const records = await this.repository.look(keys)
    return mapBounded(keys, STREAMS_AT_A_TIME, async (key, i) => {
      const { prefix, had = prefix, ...rest } = await this.viewOf(key, records[i], FOR_PEOPLE)
      return { ...rest, lines: had.lines, bytes: had.bytes }
    })
  }

  /** For people. The state is read before the chunks: a stream seen as sealed is read whole, one seen as open is read up to what was stored by then, or later. */
  async view(key: AttemptKey): Promise<StreamView> {
    return this.viewOf(key, await this.record(key), FOR_PEOPLE)
  }

  /** For people: what is said of the stream, without a look at its chunks. */
  async countTrouble(expectedBefore: Date): Promise<{ late: number; interrupted: number }> {
    return this.repository.countTrouble(expectedBefore)
  }

  async record(key: AttemptKey): Promise<StreamRecord | undefined> {
    const [record] = await this.repository.look([key])
    return record
  }

  /** What can be read of it. */
  async stored(key: AttemptKey): Promise<StreamTotals> {
    return (await this.viewOf(key, await this.repository.find(key))).prefix
  }

  /** Remembers that a stream is stored without a gap so far, so that the next reader need not look through it. A failure costs only time. */
  noteWatermark(key: AttemptKey, prefix: Prefix): void {
    this.repository.advancePrefix(key, prefix).catch((err: unknown) => this.logger.debug('A watermark was not written', { stream: attemptKeyString(key), err }))
  }

  /**
   * May a stream be sealed with totals that were announced? Also where the end of its attempt announced others: with those, when all of that is stored; else only if
   * the worker says that it lost something. `all`: its chunks, where they are known. `storedLines`: for telling a slow delivery from none.
   */
  async decide(key: AttemptKey, totals: StreamTotals, record?: StreamRecord, all?: readonly ChunkPosition[]): Promise<SealDecision & { storedLines: number }> {
    const expected = record?.expected
    const difference = expected === undefined ? undefined : differenceOf(expected, totals)
    if (expected === undefined || difference === undefined) return this.check(key, totals, record, all)
    const decision = await this.check(key, expected, record, all)
    if (decision.state === 'sealed') return decision
    if ((totals.losses?.length ?? 0) > 0) return this.check(key, totals, record, all)
    return { state: 'conflict', missing: [], reason: `the end of the attempt announced other totals: ${difference}`, storedLines: decision.storedLines }
  }

  private async check(
    key: AttemptKey,
    totals: StreamTotals,
    record?: StreamRecord,
    all?: readonly ChunkPosition[],
  ): Promise<SealDecision & { storedLines: number }> {
    const watermark = record?.prefix ?? emptyTotals(key)
    // Beyond the end that was announced the watermark says nothing about what is stored there.
    const start = watermark.lines <= totals.lines ? watermark : emptyTotals(key)
    const check = new SealCheck(totals, start)
    let noted = start.chunks
    for await (const position of all ?? this.positions(key, start.lines)) {
      check.add(position)
      // Of a stream of very many chunks a second try begins where the first was cut off.
      if (check.prefix === undefined || check.prefix.chunks - noted < WATERMARK_OF_SEAL) continue
      noted = check.prefix.chunks
      this.noteWatermark(key, check.prefix)
    }
    return { ...check.decide(), storedLines: check.storedLines }
  }

  private async viewOf(key: AttemptKey, record: StreamRecord | undefined, { isForPeople } = { isForPeople: false }): Promise<StreamView> {
    if (record?.state === 'expired')
      return {
        state: 'expired',
        prefix: emptyTotals(key),
        had: record.totals ?? emptyTotals(key),
        ...knownLosses(record),
        ...(record.expiredAt === undefined ? {} : { expiredAt: record.expiredAt.toISOString() }),
      }
    if (record?.totals !== undefined) return { state: record.state, prefix: record.totals, ...knownLosses(record) }
    const { prefix, ranges } = await this.scan(key, record, { beyondGap: record?.state === 'interrupted', isForPeople })
    if (record?.state !== 'interrupted') return { state: 'open', prefix }
    const gaps = gapsOf(prefix.lines, ranges, record.expected?.lines)
    return { state: 'interrupted', prefix, ...(record.reason === undefined ? {} : { reason: record.reason }), ...(gaps.length === 0 ? {} : { gaps }) }
  }

  /** Looks through what is stored beyond the watermark: how far it goes without a gap and, unless `beyondGap` is false, the ranges after the first gap. */
  private async scan(
    key: AttemptKey,
    record: StreamRecord | undefined,
    { beyondGap, isForPeople } = { beyondGap: true, isForPeople: false },
  ): Promise<{ prefix: Prefix; ranges: LineRange[] }> {
    const start = record?.prefix ?? emptyTotals(key)
    let prefix = start
    const ranges: LineRange[] = []
    for await (const position of this.positions(key, start.lines, isForPeople)) {
      const extended = ranges.length > 0 ? { prefix, hasGap: true } : extendPrefix(prefix, [position])
      prefix = extended.prefix
      if (extended.hasGap && (!beyondGap || !appendRange(ranges, position))) break
    }
    if (prefix.chunks - start.chunks >= WATERMARK_STEP) this.noteWatermark(key, prefix)
    return { prefix, ranges }
  }

  private async *positions(key: AttemptKey, from: number, isForPeople = false): AsyncGenerator<ChunkPosition> {
    for (let at = from; ;) {
      const page = await this.store.positions(key, at, SCAN_PAGE, isForPeople)
      yield* page
      const last = page.at(-1)
      if (last === undefined || page.length < SCAN_PAGE) return
      at = last.n + 1
    }
  }

  /** Writes the seals; of the streams that someone else sealed meanwhile, whether it was with the same totals. */
  private async sealAll(streams: readonly (KeyedTotals & { announced: StreamTotals })[]): Promise<Map<string, SealDecision>> {
    const done = await this.repository.seal(streams)
    const others = streams.filter((_, i) => done[i] !== true)
    const records = await this.repository.findMany(others.map(({ key }) => key))
    this.notify(streams.map(({ key }) => key))
    return new Map(
      others.map(({ key, announced }, i) => {
        const stored = records[i]?.totals
        return [attemptKeyString(key), stored === undefined ? { state: 'missing' as const, missing: [] } : sealedBefore(stored, announced)]
      }),
    )
  }

  private report(stream: KeyWithTotals, decision: SealDecision | undefined): SealResult {
    if (decision === undefined) throw new Error('A stream without a decision')
    const { state, missing } = decision
    if (decision.state === 'conflict')
      this.logger.error('A log stream cannot be sealed', { stream: attemptKeyString(stream), reason: decision.reason, totals: stream.totals })
    return { state, missing }
  }

  private notify(keys: readonly AttemptKey[]): void {
    for (const { instanceId } of keys) this.signals.send('log', instanceId, { instanceId })
  }
}

/** What each answer says of how complete a log is. */
export function completenessOf({ prefix, had = prefix, ...rest }: StreamView): Omit<StreamView, 'prefix' | 'had'> & { total: number } {
  return { ...rest, total: had.lines }
}

const knownLosses = ({ totals }: StreamRecord): { losses?: LogLoss[] } => (totals?.losses === undefined ? {} : { losses: totals.losses })
const wholeRange = (lines: number): LineRange[] => (lines === 0 ? [] : [{ from: 0, to: lines }])

/** A worker that lost the end of its spool may say less than what the stream was sealed with. */
function sealedBefore(stored: StreamTotals, announced: StreamTotals): SealDecision {
  const difference = differenceOf(stored, announced)
  if (difference === undefined || (announced.lines < stored.lines && (announced.losses?.length ?? 0) > 0)) return { state: 'sealed', missing: [], end: stored }
  return { state: 'conflict', missing: [], reason: `sealed before with other totals: ${difference}` }
}
