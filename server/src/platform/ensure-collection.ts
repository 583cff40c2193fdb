import { setTimeout as sleep } from 'node:timers/promises'
import { type Db, type Document, type IndexDescription, MongoServerError } from 'mongodb'
import { isUnavailable } from './http/unavailable.js'

/** A BSON type, several of them, or any `$jsonSchema` of a field. */
type FieldType = BsonType | readonly BsonType[] | Document
type BsonType = 'string' | 'int' | 'long' | 'double' | 'number' | 'bool' | 'date' | 'null' | 'object' | 'array' | 'binData' | 'objectId'

export type CollectionPlan = {
  name: string
  /** Fields that every document has, with their types. Others may be there too: this finds mistakes, the schemas of the API do the checking. */
  fields: Readonly<Record<string, FieldType>>
  optional?: Readonly<Record<string, FieldType>>
  indexes?: readonly IndexDescription[]
}

const NAMESPACE_EXISTS = 48
/** Building an index over a large collection may take longer than a connection waits for an answer: it goes on in MongoDB, and asking again waits for the same build. */
const INDEX_WAIT_MS = 30 * 60_000

/** Makes a collection with its validator and its indexes, or brings one that is there up to them. Any number of servers may do it at the same time. */
export async function ensureCollection(db: Db, plan: CollectionPlan): Promise<void> {
  const validator = { $jsonSchema: jsonSchema(plan) }
  const [existing] = await db.listCollections({ name: plan.name }, { nameOnly: false }).toArray()
  if (existing === undefined) await createOrModify(db, plan.name, validator)
  else if (JSON.stringify(existing.options?.validator) !== JSON.stringify(validator)) await db.command({ collMod: plan.name, validator })
  if (plan.indexes !== undefined && plan.indexes.length > 0) await createIndexes(db, plan.name, [...plan.indexes])
}

async function createIndexes(db: Db, name: string, indexes: IndexDescription[]): Promise<void> {
  const deadline = performance.now() + INDEX_WAIT_MS
  for (let pauseMs = 500; ; pauseMs = Math.min(10_000, pauseMs * 2)) {
    try {
      await db.collection(name).createIndexes(indexes)
      return
    } catch (error) {
      if (!isUnavailable(error) || performance.now() > deadline) throw error
      await sleep(pauseMs * (0.5 + Math.random() / 2))
    }
  }
}

async function createOrModify(db: Db, name: string, validator: Document): Promise<void> {
  try {
    await db.createCollection(name, { validator })
  } catch (error) {
    // Another server was faster; it may be one of another version.
    if (!(error instanceof MongoServerError) || error.code !== NAMESPACE_EXISTS) throw error
    await db.command({ collMod: name, validator })
  }
}

/** Exported for its test. */
export function jsonSchema({ fields, optional = {} }: Pick<CollectionPlan, 'fields' | 'optional'>): Document {
  const properties = Object.fromEntries(Object.entries({ ...fields, ...optional }).map(([name, type]) => [name, fieldSchema(type)]))
  return { bsonType: 'object', required: Object.keys(fields), properties }
}

function fieldSchema(type: FieldType): Document {
  return typeof type === 'string' || isTypeList(type) ? { bsonType: type } : type
}

const isTypeList = (type: readonly BsonType[] | Document): type is readonly BsonType[] => Array.isArray(type)
