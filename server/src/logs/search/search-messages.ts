import type { StoredChunk } from '../log-store.js'
import type { SearchOrder, SearchStep } from './search-task.js'

/** What a search thread is told: a search begins, what is to be searched next, in order, and that there is no more. */
export type ToThread = { kind: 'begin'; order: SearchOrder } | { kind: 'chunks'; chunks: StoredChunk[] } | { kind: 'end' }

/**
 * What it answers: `begun` or `invalid` to the begin; to chunks and the end any number of `step` and one `done`. `failed` instead of any of them: the search ends, the thread lives on.
 */
export type FromThread =
  | { kind: 'ready'; threadId: string | undefined }
  | { kind: 'begun' }
  | { kind: 'invalid'; path: string; message: string }
  | ({ kind: 'step' | 'done' } & SearchStep)
  | { kind: 'failed'; message: string }
