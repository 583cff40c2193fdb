import type { InstanceView } from '@jobtrail/api/instances'

/** `hasLeft`: it was in the list, but no longer matches the filter (it ended, say); its place is kept until the list is brought up to date. */
export type LiveRow = InstanceView & { hasLeft?: true }
/** `waiting`: new ones that are announced but not shown. */
export type LiveRows = { rows: LiveRow[]; waiting: number }

/**
 * What a list of instances shows after a poll, newest first. Rows stay where they are: new ones at the top wait to be asked for, unless `isMerging` (the user is at the top, or asked).
 * IDs sort by time of creation.
 */
export function liveRows(shown: readonly LiveRow[], fetched: readonly InstanceView[], isComplete: boolean, isMerging: boolean): LiveRows {
  const newest = shown[0]?.id
  if (isMerging || newest === undefined) return { rows: [...fetched], waiting: 0 }
  const byId = new Map(fetched.map((row) => [row.id, row]))
  const oldestFetched = fetched.at(-1)?.id
  const isCovered = (id: string): boolean => isComplete || (oldestFetched !== undefined && id >= oldestFetched)
  const kept = shown.map((row): LiveRow => byId.get(row.id) ?? (isCovered(row.id) ? { ...row, hasLeft: true } : row))
  const oldestShown = shown.at(-1)?.id ?? ''
  const older = fetched.filter((row) => row.id < oldestShown)
  return { rows: withReturned(kept, fetched, newest, oldestShown).concat(older), waiting: fetched.filter((row) => row.id > newest).length }
}

/** Those that match again (a retried one under the filter "running") appear at their place in time. */
function withReturned(kept: LiveRow[], fetched: readonly InstanceView[], newest: string, oldest: string): LiveRow[] {
  const known = new Set(kept.map(({ id }) => id))
  const returned = fetched.filter(({ id }) => id < newest && id > oldest && !known.has(id))
  return returned.length === 0 ? kept : [...kept, ...returned].toSorted((a, b) => (a.id < b.id ? 1 : -1))
}
