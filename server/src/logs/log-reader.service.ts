import { Injectable } from '@nestjs/common'
import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { AppError, NotFoundError } from '@jobtrail/protocol/domain/errors'
import { isFinalInstance } from '@jobtrail/protocol/domain/statuses'
import { Principal } from '../rights/principal.js'
import { type InstanceRef, InstancesService } from '../engine/instances.service.js'
import { giveTurn } from '../platform/turns.js'
import { emptyTotals } from './domain/stream-totals.js'
import { LogStore, type StoredChunk } from './log-store.js'
import { LogStreamsService, type StreamView } from './log-streams.service.js'

/** Which stream of an instance; without `attempt` its latest. */
export type StreamSelection = { task: number; attempt?: number | undefined }
export type Selected = { instance: InstanceRef; key: AttemptKey }

/** Chunks and bytes of one read: small at first, for pages; larger for a log of many small chunks. */
const FIRST_CHUNKS = 16
const MOST_CHUNKS = 256
const READ_BYTES = 1024 * 1024

/** Lines that are known to be stored are not there, though the log has not expired: the database was tampered with. */
export class LogHoleError extends AppError {
  constructor(key: AttemptKey, line: number) {
    super('INTERNAL', `Line ${line} of the log ${attemptKeyString(key)} is not there any more`)
  }
}

/** The lines were removed by the retention of the namespace, and cannot be read any more. */
export class LogExpiredError extends AppError {
  constructor(key: AttemptKey, { had, expiredAt }: StreamView) {
    super(
      'LOG_EXPIRED',
      `The log ${attemptKeyString(key)} had ${had?.lines ?? 0} lines, which the retention of its namespace removed at ${expiredAt ?? 'some time'}`,
    )
  }
}

/** Finds streams and reads their chunks, for every way of showing a log. Keeps nothing. */
@Injectable()
export class LogReader {
  constructor(
    private readonly instances: InstancesService,
    private readonly streams: LogStreamsService,
    private readonly store: LogStore,
  ) {}

  /** The stream, if the principal may see it. Of an instance that has no attempt yet: that of its first. */
  async select(principal: Principal, instanceId: string, { task, attempt }: StreamSelection): Promise<Selected> {
    const instance = await this.instances.current(instanceId)
    if (instance === undefined) throw new NotFoundError('instance', instanceId)
    principal.require(instance.namespace, 'viewer', 'instance', instanceId)
    const latest = Math.max(1, instance.attempt)
    if (task !== 0) throw new NotFoundError('task', `${task} of instance ${instanceId}`)
    if (attempt !== undefined && attempt > latest) throw new NotFoundError('attempt', `${attempt} of instance ${instanceId}`)
    return { instance, key: { instanceId: instance.id, task, attempt: attempt ?? latest } }
  }

  /** An instance that was ended before its first attempt has a log that is complete: an empty one. */
  async view({ instance, key }: Selected): Promise<StreamView> {
    if (instance.attempt === 0 && isFinalInstance(instance.status)) return { state: 'sealed', prefix: emptyTotals(key) }
    return this.streams.view(key)
  }

  /** {@link view}, for whoever has nothing to say without the lines: throws LogExpiredError when they were removed. */
  async viewOfLines(selected: Selected): Promise<StreamView> {
    const view = await this.view(selected)
    if (view.state === 'expired') throw new LogExpiredError(selected.key, view)
    return view
  }

  /**
   * The chunks that hold lines [from, to), in order, reading one batch ahead. The lines have to be within what {@link view} said; a hole in them is an error. A
   * position of its own for each read, rather than one cursor, outlives slow clients and changes of the primary.
   */
  async *chunks(key: AttemptKey, from: number, to: number): AsyncGenerator<StoredChunk> {
    let at = from
    let maxChunks = FIRST_CHUNKS
    let pending = from >= to ? undefined : from === 0 ? this.readAscending(key, 0, to, maxChunks) : this.readFromWithin(key, from, to)
    while (pending !== undefined) {
      const batch = inOrder(await pending, at)
      if (batch.length === 0) throw await this.whyMissing(key, at)
      for (const { header } of batch) at = header.n + header.count
      maxChunks = nextBatchSize(batch, maxChunks)
      pending = at < to ? this.readAscending(key, at, to, maxChunks) : undefined
      // Whoever stops early leaves this one behind; when it is awaited it still rejects.
      pending?.catch(() => undefined)
      for (const chunk of batch) {
        yield chunk
        await giveTurn()
      }
    }
  }

  /** The chunks that hold lines [from, to), the last one first. */
  async *chunksDown(key: AttemptKey, from: number, to: number): AsyncGenerator<StoredChunk> {
    let at = to
    let maxChunks = FIRST_CHUNKS
    while (at > from) {
      const batch = await this.store.read(key, { from: 0, to: at, order: 'desc', maxChunks, maxBytes: READ_BYTES })
      if (batch.length === 0) throw await this.whyMissing(key, at - 1)
      maxChunks = nextBatchSize(batch, maxChunks)
      for (const chunk of batch) {
        if (at <= from) return
        if (chunk.header.n + chunk.header.count < at) throw await this.whyMissing(key, at - 1)
        yield chunk
        await giveTurn()
        at = chunk.header.n
      }
    }
  }

  /** First line of the chunk that holds a byte of the stream, of which `lines` can be read; found by bisection. */
  async lineAtByte(key: AttemptKey, byte: number, lines: number): Promise<{ line: number; offset: number }> {
    let low = 0
    let high = lines
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const position = await this.store.positionAt(key, middle, true)
      if (position === undefined || position.n + position.count <= middle) throw await this.whyMissing(key, middle)
      if (byte < position.offset) high = position.n
      else if (byte >= position.offset + position.bytes) low = position.n + position.count
      else return { line: position.n, offset: position.offset }
    }
    throw new LogHoleError(key, low)
  }

  /** Is there a chunk at line `lines` or after it? Of a sealed stream there should not be. */
  async hasBeyond(key: AttemptKey, lines: number): Promise<boolean> {
    return (await this.store.positions(key, lines, 1, true)).length > 0
  }

  /** Lines that were there a moment ago: the log has expired meanwhile, or it has a hole. */
  private async whyMissing(key: AttemptKey, line: number): Promise<AppError> {
    const view = await this.streams.view(key)
    return view.state === 'expired' ? new LogExpiredError(key, view) : new LogHoleError(key, line)
  }

  /** The chunk that holds line `from`, and those after it: at the same time, which halves the wait for a page. */
  private async readFromWithin(key: AttemptKey, from: number, to: number): Promise<StoredChunk[]> {
    const [holding, following] = await Promise.all([
      this.store.read(key, { from: 0, to: from + 1, order: 'desc', maxChunks: 1 }),
      from + 1 < to ? this.readAscending(key, from + 1, to, FIRST_CHUNKS) : [],
    ])
    return [...holding, ...following]
  }

  private readAscending(key: AttemptKey, from: number, to: number, maxChunks: number): Promise<StoredChunk[]> {
    return this.store.read(key, { from, to, maxChunks, maxBytes: READ_BYTES })
  }
}

const nextBatchSize = (batch: readonly StoredChunk[], maxChunks: number): number =>
  batch.reduce((sum, { data }) => sum + data.length, 0) < READ_BYTES / 4 ? Math.min(MOST_CHUNKS, maxChunks * 2) : Math.max(FIRST_CHUNKS, maxChunks)

/** Those of a batch that follow on each other from line `at` on; none: there is a hole at `at`. Of a hole behind them the next read will tell, so that what is before it was seen. A chunk inside lines that another one holds is passed over, as in `extendPrefix`. */
function inOrder(batch: readonly StoredChunk[], at: number): StoredChunk[] {
  const result: StoredChunk[] = []
  let next = at
  for (const chunk of batch) {
    const { n, count } = chunk.header
    if (n > next) break
    if (n < next && (result.length > 0 || n + count <= next)) continue
    result.push(chunk)
    next = n + count
  }
  return result
}
