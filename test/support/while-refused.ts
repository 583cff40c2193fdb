import type { Db } from 'mongodb'

/** While `work` goes on MongoDB takes only documents by this rule. The edge refuses all that we know of: this stands for what we do not. */
export async function whileRefused(database: Db, name: string, rule: object, work: () => Promise<void>): Promise<void> {
  const [{ options } = {}] = await database.listCollections({ name }, { nameOnly: false }).toArray()
  await database.command({ collMod: name, validator: { $and: [options?.validator, rule] } })
  try {
    await work()
  } finally {
    await database.command({ collMod: name, validator: options?.validator })
  }
}
