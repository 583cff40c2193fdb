import type { FileHandle } from 'node:fs/promises'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import type { StreamTotals } from '@jobtrail/protocol/log/chunk'
import type { Chunk } from '@jobtrail/protocol/log/chunk-builder'

/** One of the files of a stream, which goes on in the next one from `segmentBytes` on, so that what is acknowledged can be dropped while the stream grows. */
export interface Segment {
  readonly seq: number
  readonly path: string
  /** Sums of the stream before it. */
  from: StreamTotals
  /** Bytes with those still to be written, and bytes written. */
  size: number
  written: number
  /** Bodies in it, written. */
  chunkBytes: number
  /** Chunks of it that are in memory to be sent, or sent and not acknowledged. */
  outstanding: number
}
/** A chunk with its place. `end` is the position after its frame. `data` is empty when the body is in the file only. */
export interface SpooledChunk extends Chunk {
  segment: Segment
  end: number
}
export interface Cursor {
  seq: number
  offset: number
}
/** What a file needs of the spool that it is in. */
export interface SpoolHost<File> {
  readonly segmentBytes: number
  openFile(path: string): Promise<FileHandle>
  pathOf(key: AttemptKey, seq: number): string
  /** Bytes more (or less) in the spool. */
  count(bytes: number): void
  /** Was written to and has to be synced. */
  markDirty(file: File): void
  pause(ms: number): Promise<void>
  onFault(error: unknown, what: string): void
}

/** What was written cannot be read back. */
export class BrokenSpoolError extends Error {}
