import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import type { AttemptStatus } from '@jobtrail/protocol/domain/statuses'
import type { StreamTotals } from '@jobtrail/protocol/log/chunk'
import { genesisDigest } from '@jobtrail/protocol/log/codec'

/** Field order is part of the key: {@link attemptId} is the only place that makes one. */
export type AttemptId = { instance: string; task: number; attempt: number }
export const attemptId = (key: AttemptKey): AttemptId => ({ instance: key.instanceId, task: key.task, attempt: key.attempt })
export const attemptKeyOf = (id: AttemptId): AttemptKey => ({ instanceId: id.instance, task: id.task, attempt: id.attempt })

/** What the worker said of the log at the end. Of a log without lines the digest follows from the key and is left out, so that such ends are alike and written together. */
export type LogTotals = Omit<StreamTotals, 'digest'> & { digest?: string }

export function storedTotals(key: AttemptKey, { digest, ...sums }: StreamTotals): LogTotals {
  return sums.lines === 0 && digest === genesisDigest(key) ? sums : { ...sums, digest }
}

export const announcedTotals = (key: AttemptKey, { digest, ...sums }: LogTotals): StreamTotals => ({ ...sums, digest: digest ?? genesisDigest(key) })

/** One try, as stored. The worker named in it holds the lease until `leaseExpiresAt` (null once it has ended). */
export type AttemptDocument = {
  _id: AttemptId
  namespace: string
  workerId: string
  workerName: string
  /** The process of the worker that it was given to. Absent where that was before this was noted. */
  incarnation?: string
  status: AttemptStatus
  dispatchedAt: Date
  startedAt: Date | null
  /** LOST, and nobody knows whether it started: treated as if it had. */
  mayHaveStarted?: true
  finishedAt: Date | null
  leaseExpiresAt: Date | null
  cancelRequestedAt: Date | null
  exitCode: number | null
  signal: string | null
  error: string | null
  /** What of it the worker could not end. */
  killProblem?: string
  result: unknown
  /** The JSON text of a result that is not exact as a value; `result` is null then. */
  resultText?: string
  /** The worker says that every further attempt would end the same way. */
  isFinal?: boolean
  progress: { percent: number | null; message: string | null } | null
  /** So that a lost seal is noticed. */
  logTotals: LogTotals | null
}

/** The end of an attempt as it is written. */
export type AttemptEnding = Pick<
  AttemptDocument,
  'status' | 'startedAt' | 'exitCode' | 'signal' | 'error' | 'killProblem' | 'result' | 'resultText' | 'isFinal' | 'logTotals'
> & {
  finishedAt: Date
}

/** How much was logged, for the overview, which reads nothing else. Most short runs log nothing, and are not in it. */
export const LOG_VOLUME_INDEX = 'log_volume'
export const HAS_LOG = { 'logTotals.lines': { $gt: 0 } } as const

/** One process of a worker, and when it said hello. */
export type WorkerProcess = { id: string; incarnation: string; since: Date }

/** May the process report of the attempt? One that was given to another process of its worker after it had said hello is that one's: it was replaced, and may not know it yet. */
export function isHeldBy({ id, incarnation, since }: WorkerProcess, attempt: Pick<AttemptDocument, 'workerId' | 'incarnation' | 'dispatchedAt'>): boolean {
  const isItsOwn = attempt.incarnation === undefined || attempt.incarnation === incarnation
  return attempt.workerId === id && (isItsOwn || attempt.dispatchedAt < since)
}
