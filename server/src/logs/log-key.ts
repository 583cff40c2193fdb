import type { Binary } from 'mongodb'
import type { AttemptKey } from '@jobtrail/shared/domain/attempt-key'

/** An instance ID as it is stored: 16 bytes, or its text. {@link LogIds} says which. */
export type StoredInstance = string | Binary
/** `_id` in log_streams. The order of the fields is part of the key: only {@link LogIds} builds it. */
export type StreamId = { instance: StoredInstance; task: number; attempt: number }
/** `_id` in log_chunks; `n` is the chunk's first line. Only {@link LogIds} builds it. */
export type ChunkId = { instance: StoredInstance; task: number; attempt: number; n: number }

export const keyOf = ({ instance, task, attempt }: StreamId): AttemptKey => ({ instanceId: textOf(instance), task, attempt })

function textOf(instance: StoredInstance): string {
  if (typeof instance === 'string') return instance
  const { buffer, byteOffset } = instance.buffer
  const hex = Buffer.from(buffer, byteOffset, 16).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
