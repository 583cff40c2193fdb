import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'

/** `_id` in log_streams. The order of the fields is part of the key: only {@link streamId} builds it. */
export type StreamId = { instance: string; task: number; attempt: number }
/** `_id` in log_chunks; `n` is the chunk's first line. Only {@link chunkId} builds it. */
export type ChunkId = { instance: string; task: number; attempt: number; n: number }

export const streamId = (key: AttemptKey): StreamId => ({ instance: key.instanceId, task: key.task, attempt: key.attempt })
export const chunkId = (key: AttemptKey, n: number): ChunkId => ({ instance: key.instanceId, task: key.task, attempt: key.attempt, n })

export const keyOf = (id: StreamId): AttemptKey => ({ instanceId: id.instance, task: id.task, attempt: id.attempt })
