import { Injectable } from '@nestjs/common'
import { attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { isCheckedLog, type LogState } from '@jobtrail/protocol/domain/statuses'
import type { Chunk } from '@jobtrail/protocol/log/chunk-builder'
import { checkBody, isChecksumRight, MAX_TIME, unpackBodyAside } from '@jobtrail/protocol/log/codec'
import type { ChunkResult } from '@jobtrail/protocol/wire/worker'
import { Batcher } from '../platform/batcher.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { Shutdown } from '../platform/shutdown.js'
import { SignalBus } from '../platform/signals.js'
import { Slots } from '../platform/slots.js'
import { SparseLog } from '../platform/sparse-log.js'
import { type CheckedChunk, LogStore } from './log-store.js'
import { LogStreamsRepository } from './log-streams.repository.js'
import { OverlapGuard } from './overlap-guard.js'

const MAX_BATCH_CHUNKS = 200
const MAX_BATCH_BYTES = 10 * 1024 * 1024
const BATCHES_IN_FLIGHT = 2
/** Bytes of bodies that wait or are being written; beyond it workers are told to wait. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024
/** Bodies that are decompressed at a time: as many as libuv has threads. Compressed bodies may be a hundred times smaller than what comes out of them. */
const CHECKS_AT_A_TIME = 4
/** What a chunk weighs beside its body. */
const CHUNK_OVERHEAD_BYTES = 512
/** Sooner than a worker gives up waiting (ACK_TIMEOUT_MS). What is still being written then keeps its place in the queue, so that memory stays bounded. */
const ANSWER_WITHIN_MS = 8_000

/** Line numbers and offsets beyond this are none. */
const MAX_NUMBER = 2 ** 50

/** What was found of a chunk: its first marker line, or what is wrong with it. */
type Check = { marker?: number; problem?: string }

/** Takes chunks from workers into the store by group commit, over all streams. Keeps nothing per stream. */
@Injectable()
export class LogIngestService {
  private readonly batcher = new Batcher<CheckedChunk, ChunkResult>({
    write: (chunks) => this.write(chunks),
    maxItems: MAX_BATCH_CHUNKS,
    maxInFlight: BATCHES_IN_FLIGHT,
    maxWeight: MAX_BATCH_BYTES,
    weigh: ({ data }) => data.length + CHUNK_OVERHEAD_BYTES,
  })
  private readonly guard: OverlapGuard
  private readonly checks = new Slots(CHECKS_AT_A_TIME)
  /** Bytes of bodies that are being checked, or wait for it. */
  private checking = 0
  private readonly failures = new SparseLog()

  constructor(
    private readonly store: LogStore,
    private readonly streams: LogStreamsRepository,
    private readonly signals: SignalBus,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
    shutdown: Shutdown,
  ) {
    this.guard = new OverlapGuard(store)
    shutdown.register('finish', 'log chunks', () => this.batcher.idle())
  }

  /** Answers each chunk once it is stored by a majority, or refused; never rejects. That the sender may write these streams was checked by the caller. */
  async put(chunks: readonly Chunk[]): Promise<ChunkResult[]> {
    const receivedAt = performance.now()
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<ChunkResult>((resolve) => {
      timer = setTimeout(() => resolve('busy'), ANSWER_WITHIN_MS)
    })
    try {
      // All are looked at before one is queued, which keeps them in order.
      const problems = await Promise.all(chunks.map((chunk) => this.check(chunk)))
      return await Promise.all(chunks.map((chunk, i) => Promise.race([this.putOne(chunk, problems[i], receivedAt), deadline])))
    } finally {
      clearTimeout(timer)
    }
  }

  private async putOne(chunk: Chunk, check: Check | undefined, receivedAt: number): Promise<ChunkResult> {
    const result = await this.decide(chunk, check)
    this.metrics.logChunks.inc({ result })
    if (result === 'ok') {
      const { count, bytes } = chunk.header
      this.metrics.logLines.inc(count)
      this.metrics.logBytes.inc(bytes)
      this.metrics.logStoredBytes.inc(chunk.data.length)
      this.metrics.logLag.observe((performance.now() - receivedAt) / 1_000)
    } else if (result === 'conflict' || result === 'refused') {
      this.logger.error('A log chunk was not taken', {
        result,
        ...(check?.problem === undefined ? {} : { reason: check.problem }),
        stream: attemptKeyString(chunk.header),
        n: chunk.header.n,
        count: chunk.header.count,
        digest: chunk.header.digest,
      })
    }
    return result
  }

  private async decide(chunk: Chunk, check: Check | undefined): Promise<ChunkResult> {
    if (check === undefined || this.batcher.queuedWeight + chunk.data.length > MAX_QUEUED_BYTES) return 'busy'
    if (check.problem !== undefined) return 'refused'
    const { marker } = check
    try {
      return await this.batcher.add(marker === undefined ? chunk : { ...chunk, marker })
    } catch (err) {
      this.noteFailure(err)
      return 'busy'
    }
  }

  /** Whether every reader will be able to read it. Decompresses on another thread, to a bounded size. Undefined when there is no room for it now. */
  private async check({ header, data }: Chunk): Promise<Check | undefined> {
    if (!isChecksumRight(header, data)) return { problem: 'checksum: does not fit the body' }
    if (header.n + header.count > MAX_NUMBER || header.offset + header.bytes > MAX_NUMBER) return { problem: 'n, offset: beyond what can be counted' }
    if (Math.max(header.firstAt, header.lastAt) > MAX_TIME) return { problem: 'firstAt, lastAt: not a time that a date can have' }
    if (this.checking + this.batcher.queuedWeight + data.length > MAX_QUEUED_BYTES) return undefined
    this.checking += data.length
    try {
      const marker = await this.checks.use(async () => checkBody(header, await unpackBodyAside(header, data)))
      return marker === undefined ? {} : { marker }
    } catch (error) {
      return { problem: error instanceof Error ? error.message : String(error) }
    } finally {
      this.checking -= data.length
    }
  }

  /**
   * A sealed stream takes nothing more: its chunks can only be found to be there. Of an expired one they were, or are too late: the worker may forget them. One look-up a batch says which streams those are. A chunk that is sent while
   * its stream is being sealed could still slip in; the worker's protocol forbids it (it seals when all is acknowledged), and readers never go beyond the sealed totals.
   */
  private async write(chunks: readonly CheckedChunk[]): Promise<ChunkResult[]> {
    const closed = await this.streams.closedAmong(chunks.map(({ header }) => header))
    const stateOf = ({ header }: CheckedChunk): LogState | undefined => (closed.size === 0 ? undefined : closed.get(attemptKeyString(header)))
    const late = chunks.filter((chunk) => isCheckedLog(stateOf(chunk) ?? 'open'))
    const open = closed.size === 0 ? chunks : chunks.filter((chunk) => stateOf(chunk) === undefined)
    const outcome = new Map<Chunk, ChunkResult>()
    const storing = this.guard.admit(open, async (admitted) => {
      const stored = admitted.length === 0 ? [] : await this.store.put(admitted)
      admitted.forEach((chunk, i) => outcome.set(chunk, stored[i] ?? 'busy'))
    })
    const [overlapping, compared] = await Promise.all([storing, this.store.compare(late)])
    for (const chunk of overlapping) outcome.set(chunk, 'conflict')
    for (const chunk of chunks) if (stateOf(chunk) === 'expired') outcome.set(chunk, 'dup')
    late.forEach((chunk, i) => outcome.set(chunk, compared[i] === 'dup' ? 'dup' : 'conflict'))
    const instances = new Set<string>()
    for (const [chunk, result] of outcome) if (result === 'ok') instances.add(chunk.header.instanceId)
    for (const instanceId of instances) this.signals.send('log', instanceId, { instanceId })
    return chunks.map((chunk) => outcome.get(chunk) ?? 'busy')
  }

  /** During an outage every worker is refused several times a second. */
  private noteFailure(err: unknown): void {
    this.failures.note((chunks) => this.logger.warn('Log chunks could not be stored; workers send them again', { chunks, err }))
  }
}
