import { Injectable } from '@nestjs/common'
import { attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { isCheckedLog, type LogState } from '@jobtrail/shared/domain/statuses'
import type { Chunk } from '@jobtrail/shared/log/chunk-builder'
import { isChecksumRight } from '@jobtrail/shared/log/codec'
import type { ChunkResult } from '@jobtrail/shared/protocol/worker'
import { Batcher } from '../platform/batcher.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { Shutdown } from '../platform/shutdown.js'
import { SignalBus } from '../platform/signals.js'
import { LogStore } from './log-store.js'
import { LogStreamsRepository } from './log-streams.repository.js'

const MAX_BATCH_CHUNKS = 200
const MAX_BATCH_BYTES = 10 * 1024 * 1024
const BATCHES_IN_FLIGHT = 2
/** Bytes of bodies that wait or are being written; beyond it workers are told to wait. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024
/** What a chunk weighs beside its body. */
const CHUNK_OVERHEAD_BYTES = 512
const FAILURE_LOG_EVERY_MS = 5_000
/** Sooner than a worker gives up waiting (ACK_TIMEOUT_MS). What is still being written then keeps its place in the queue, so that memory stays bounded. */
const ANSWER_WITHIN_MS = 8_000

/** Takes chunks from workers into the store by group commit, over all streams. Keeps nothing per stream. */
@Injectable()
export class LogIngestService {
  private readonly batcher = new Batcher<Chunk, ChunkResult>({
    write: (chunks) => this.write(chunks),
    maxItems: MAX_BATCH_CHUNKS,
    maxInFlight: BATCHES_IN_FLIGHT,
    maxWeight: MAX_BATCH_BYTES,
    weigh: ({ data }) => data.length + CHUNK_OVERHEAD_BYTES,
  })
  private failures = 0
  private failureLoggedAt = -Infinity

  constructor(
    private readonly store: LogStore,
    private readonly streams: LogStreamsRepository,
    private readonly signals: SignalBus,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
    shutdown: Shutdown,
  ) {
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
      return await Promise.all(chunks.map((chunk) => Promise.race([this.putOne(chunk, receivedAt), deadline])))
    } finally {
      clearTimeout(timer)
    }
  }

  private async putOne(chunk: Chunk, receivedAt: number): Promise<ChunkResult> {
    const result = await this.decide(chunk)
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
        stream: attemptKeyString(chunk.header),
        n: chunk.header.n,
        count: chunk.header.count,
        digest: chunk.header.digest,
      })
    }
    return result
  }

  private async decide(chunk: Chunk): Promise<ChunkResult> {
    if (!isChecksumRight(chunk.header, chunk.data)) return 'refused'
    if (this.batcher.queuedWeight + chunk.data.length > MAX_QUEUED_BYTES) return 'busy'
    try {
      return await this.batcher.add(chunk)
    } catch (err) {
      this.noteFailure(err)
      return 'busy'
    }
  }

  /**
   * A sealed stream takes nothing more: its chunks can only be found to be there. Of an expired one they were, or are too late: the worker may forget them. One look-up a batch says which streams those are. A chunk that is sent while
   * its stream is being sealed could still slip in; the worker's protocol forbids it (it seals when all is acknowledged), and readers never go beyond the sealed totals.
   */
  private async write(chunks: readonly Chunk[]): Promise<ChunkResult[]> {
    const closed = await this.streams.closedAmong(chunks.map(({ header }) => header))
    const stateOf = ({ header }: Chunk): LogState | undefined => (closed.size === 0 ? undefined : closed.get(attemptKeyString(header)))
    const late = chunks.filter((chunk) => isCheckedLog(stateOf(chunk) ?? 'open'))
    const open = closed.size === 0 ? chunks : chunks.filter((chunk) => stateOf(chunk) === undefined)
    const [stored, compared] = await Promise.all([open.length === 0 ? [] : this.store.put(open), this.store.compare(late)])
    const outcome = new Map<Chunk, ChunkResult>()
    for (const chunk of chunks) if (stateOf(chunk) === 'expired') outcome.set(chunk, 'dup')
    open.forEach((chunk, i) => outcome.set(chunk, stored[i] ?? 'busy'))
    late.forEach((chunk, i) => outcome.set(chunk, compared[i] === 'dup' ? 'dup' : 'conflict'))
    const instances = new Set<string>()
    for (const [chunk, result] of outcome) if (result === 'ok') instances.add(chunk.header.instanceId)
    for (const instanceId of instances) this.signals.send('log', instanceId, { instanceId })
    return chunks.map((chunk) => outcome.get(chunk) ?? 'busy')
  }

  /** One line for many: during an outage every worker is refused several times a second. */
  private noteFailure(err: unknown): void {
    this.failures++
    const now = performance.now()
    if (now - this.failureLoggedAt < FAILURE_LOG_EVERY_MS) return
    this.logger.warn('Log chunks could not be stored; workers send them again', { chunks: this.failures, err })
    this.failures = 0
    this.failureLoggedAt = now
  }
}
