import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import type { ChunkHeader } from '@jobtrail/protocol/log/chunk'
import type { Chunk } from '@jobtrail/protocol/log/chunk-builder'

/** A chunk whose body was found to be what its header says; `marker`: the number of its first marker line. */
export type CheckedChunk = Chunk & { marker?: number }
/** Where a chunk lies in its stream, and what of it a seal compares. */
export type ChunkPosition = Pick<ChunkHeader, 'n' | 'count' | 'bytes' | 'offset' | 'digest'> & { marker?: number }
/** A chunk as read back; its stream is known to whoever asked. */
export type StoredChunk = { header: Omit<ChunkHeader, keyof AttemptKey>; data: Buffer }

/**
 * What became of a chunk: `ok` stored by a majority · `dup` the same was stored before, by a majority · `conflict` another chunk has its place · `busy` not known
 * to be stored by a majority: send it again · `refused` the store will never take it.
 */
export type PutResult = 'ok' | 'dup' | 'conflict' | 'busy' | 'refused'

/** Chunks that begin in lines [from, to), by `n`; at most `maxChunks`, and none after the one that reaches `maxBytes` of bodies. */
export type ChunkRead = { from: number; to?: number; order?: 'asc' | 'desc'; maxChunks: number; maxBytes?: number }

/**
 * Where log chunks are kept: the one place that knows the technology. Chunks are immutable. Whatever is read was acknowledged by a majority, and what was
 * acknowledged is read by every later call on any server. Methods reject when the store can't be reached.
 */
export abstract class LogStore {
  /** Stores each chunk unless its place is taken; answers in the order given. A rejection says nothing about any of them. */
  abstract put(chunks: readonly CheckedChunk[]): Promise<PutResult[]>
  /** Compares with what is stored and stores nothing: `dup`, `conflict`, or `refused` where nothing is. */
  abstract compare(chunks: readonly Chunk[]): Promise<PutResult[]>
  abstract read(key: AttemptKey, range: ChunkRead): Promise<StoredChunk[]>
  /** Positions of chunks that begin at line `from` or later, by `n`. `isForPeople`: over the connections that what people read has. */
  abstract positions(key: AttemptKey, from: number, limit: number, isForPeople?: boolean): Promise<ChunkPosition[]>
  /** The chunk with the greatest `n` up to `line`: the one that holds it, where there is no gap. */
  abstract positionAt(key: AttemptKey, line: number, isForPeople?: boolean): Promise<ChunkPosition | undefined>
  /** Of each stream its only chunk, if it has exactly one; answers in the order given. */
  abstract onlyPositions(keys: readonly AttemptKey[]): Promise<(ChunkPosition | undefined)[]>
  /** Whether each stream has a chunk at line 0; answers in the order given. */
  abstract haveBegun(keys: readonly AttemptKey[]): Promise<boolean[]>
  /** Whether there is any chunk of these streams. */
  abstract hasAny(keys: readonly AttemptKey[]): Promise<boolean>
  /** First lines of the chunks that begin in lines [from, to). */
  abstract starts(key: AttemptKey, from: number, to: number): Promise<number[]>
  /** Deletes every chunk of these streams, in pieces of bounded size. To be repeated if it fails. */
  abstract drop(keys: readonly AttemptKey[]): Promise<void>
}
