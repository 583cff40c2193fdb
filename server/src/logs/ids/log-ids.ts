import { Injectable } from '@nestjs/common'
import { UUID } from 'mongodb'
import type { AttemptKey } from '@jobtrail/shared/domain/attempt-key'
import { AppError } from '@jobtrail/shared/domain/errors'
import type { ChunkId, StoredInstance, StreamId } from '../log-key.js'

/** What was read this long ago (monotonic) may still be relied on. Much less than the notice that {@link LogIdSwitch} gives. */
export const FRESH_MS = 15_000

/**
 * Builds the keys of log_streams and log_chunks. Runs from a certain one on have their IDs stored as 16 bytes, those before it as text, as former versions do. So the form
 * follows from the ID alone: nothing is ever stored in both, and what is there stays as it is.
 */
@Injectable()
export class LogIds {
  private binaryFrom: string | undefined
  private freshUntil = Number.NEGATIVE_INFINITY

  /** What is stored of it, read at `readAt` (monotonic): the first ID that is stored as bytes, if that is decided. It never changes afterwards. */
  learn(binaryFrom: string | undefined, readAt: number): void {
    this.binaryFrom = binaryFrom
    this.freshUntil = readAt + FRESH_MS
  }

  get isDecided(): boolean {
    return this.binaryFrom !== undefined
  }

  stream({ instanceId, task, attempt }: AttemptKey): StreamId {
    return { instance: this.stored(instanceId), task, attempt }
  }

  chunk({ instanceId, task, attempt }: AttemptKey, n: number): ChunkId {
    return { instance: this.stored(instanceId), task, attempt, n }
  }

  /** Whether what is stored of this run's logs is read by this version and later ones only. */
  isBinary(instanceId: string): boolean {
    if (this.binaryFrom !== undefined) return instanceId >= this.binaryFrom
    // It may have been decided since, and this run be one of those after it.
    if (performance.now() > this.freshUntil) throw new AppError('UNAVAILABLE', 'How IDs of logs are stored could not be read lately; try again')
    return false
  }

  private stored(instanceId: string): StoredInstance {
    return this.isBinary(instanceId) ? new UUID(instanceId) : instanceId
  }
}
