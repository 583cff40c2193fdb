import { KEPT_REVISIONS } from '@jobtrail/api/auth'

type Key = { job: string; revision: number }
type Head = { namespace: string; revision: number }

/** A revision that was replaced long ago, and the stored one that came after it. */
export type OldRevision = { key: Key; next: Key; auditDays: number }

/** What may go of stored revisions, in order: those of jobs that are not there any more, and those beyond the newest of a job whose namespace does not keep its history for ever. */
export function oldRevisions(
  keys: readonly Key[],
  heads: ReadonlyMap<string, Head>,
  auditDays: ReadonlyMap<string, number | null>,
): { ofRemovedJobs: Map<string, Key[]>; old: OldRevision[] } {
  const ofRemovedJobs = new Map<string, Key[]>()
  const old: OldRevision[] = []
  for (const [i, key] of keys.entries()) {
    const head = heads.get(key.job)
    if (head === undefined) {
      ofRemovedJobs.set(key.job, [...(ofRemovedJobs.get(key.job) ?? []), key])
      continue
    }
    const days = auditDays.get(head.namespace) ?? null
    const next = keys[i + 1]
    if (days !== null && next?.job === key.job && key.revision <= head.revision - KEPT_REVISIONS) old.push({ key, next, auditDays: days })
  }
  return { ofRemovedJobs, old }
}
