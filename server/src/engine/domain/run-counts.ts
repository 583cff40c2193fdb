import type { InstanceStatus } from '@jobtrail/protocol/domain/statuses'

export type NamespaceFilter = { namespace?: string | { $in: string[] } }
export type Span = { fromMs: number; toMs: number; bucketMs: number }
export type BucketCount = { _id: { bucket: number; status: InstanceStatus }; count: number }
export type JobCount = {
  _id: string
  jobName: string
  namespace: string
  runs: number
  failed: number
  meanMs: number | null
  maxMs: number | null
  lastFailed: string | null
}
/** `seen`: how many runs were looked at, `oldest`: when the first of them was made. */
export type RunCounts = { buckets: BucketCount[]; slowest: JobCount[]; failing: JobCount[]; seen: number; oldest: Date | undefined }
type LogVolume = { bucket: number; lines: number; bytes: number }
/** `seen`, `oldest` as of {@link RunCounts}, of attempts that logged something. */
export type LogVolumes = { buckets: LogVolume[]; seen: number; oldest: Date | undefined }

/** What is looked at and no more, however much there is. */
export const MAX_RUNS = 100_000
export const MAX_ATTEMPTS = 100_000
