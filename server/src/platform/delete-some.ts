import type { Collection, Document, Filter, Hint } from 'mongodb'

const BATCH = 500

/** Deletes up to a batch of what matches, so that no call takes long; how many were found, 0 when nothing is left. */
export async function deleteSome<T extends Document>(collection: Collection<T>, filter: Filter<T>, hint?: Hint): Promise<number> {
  const found = await collection.find(filter, { projection: { _id: 1 }, limit: BATCH, ...(hint === undefined ? {} : { hint }) }).toArray()
  if (found.length > 0) await collection.deleteMany({ _id: { $in: found.map(({ _id }) => _id) } } as Filter<T>)
  return found.length
}
