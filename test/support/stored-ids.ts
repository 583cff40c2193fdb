import { type Db, UUID } from 'mongodb'

/** Matches the instance IDs of what is stored of logs, in whichever form they are. */
export const storedIds = (ids: readonly string[]): { $in: (string | UUID)[] } => ({ $in: ids.flatMap((id) => [id, new UUID(id)]) })

/** The form in which servers store an instance ID in what is theirs of logs. */
export async function storedForm(db: Db): Promise<(id: string) => string | UUID> {
  const form = await db.collection<{ binaryFrom?: string }>('log_id_form').findOne()
  return (id) => (form?.binaryFrom !== undefined && id >= form.binaryFrom ? new UUID(id) : id)
}
