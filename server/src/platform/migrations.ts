import { setTimeout as sleep } from 'node:timers/promises'
import { INSTANCE_STATUSES } from '@jobtrail/protocol/domain/statuses'
import type { Db } from 'mongodb'
import { Logger } from './logging.js'
import { isDuplicateKey } from './mongo.js'

/** A change of stored data. It may run again after a crash half-way, so running it twice has to be the same as once. */
export type Migration = { name: string; run: (db: Db) => Promise<void> }

/** In order; never change or remove one that was released. Collections and indexes are not made here, but by their repositories. */
export const MIGRATIONS: readonly Migration[] = [
  // It also held cancelled runs, which stayed first in it for ever. The repository makes one that does not.
  { name: '2026-11-27 drop the index of unqueued instances', run: (db) => dropIndex(db, 'instances', 'dueAt_1') },
  { name: '2026-11-27 data of removed namespaces', run: noteRemovedNamespaces },
]

/** Before namespaces were removed with what was in them, it stayed: it is deleted now, unless there is one of the same name again. */
async function noteRemovedNamespaces(db: Db): Promise<void> {
  const namespaces = db.collection<{ _id: string; description: string; createdAt: Date; removedAt?: Date }>('namespaces')
  // By status: then it is answered from the index, however many runs there are.
  const ofRuns = await Promise.all(INSTANCE_STATUSES.map((status) => db.collection('instances').distinct('namespace', { status })))
  const ofJobs = await db.collection('job_revisions').distinct('namespace')
  const now = new Date()
  for (const name of new Set([...ofRuns.flat(), ...ofJobs].filter((each): each is string => typeof each === 'string')))
    await namespaces.updateOne({ _id: name }, { $setOnInsert: { description: '', createdAt: now, removedAt: now } }, { upsert: true })
}

type MigrationDocument = { _id: string; appliedAt: Date }
type LockDocument = { _id: string; owner: string; expiresAt: Date }

const LEASE_MS = 30_000
const WAIT_MS = 10 * 60_000
const LOCK_ID = 'lock'

/** Runs what has not run yet, one server at a time; the others wait for it. Called before anything else touches the data. */
export async function runMigrations(db: Db, owner: string, logger: Logger, migrations: readonly Migration[] = MIGRATIONS): Promise<void> {
  const done = db.collection<MigrationDocument>('migrations')
  const pending = async (): Promise<Migration[]> => {
    const names = new Set((await done.find().toArray()).map((each) => each._id))
    return migrations.filter((each) => !names.has(each.name))
  }
  if ((await pending()).length === 0) return
  await makeLock(db)
  const deadline = performance.now() + WAIT_MS
  while (!(await takeLock(db, owner))) {
    if (performance.now() > deadline) throw new Error(`Waited ${WAIT_MS / 60_000} minutes for another server to migrate the data`)
    await sleep(250 + Math.random() * 500)
  }
  const renewal = setInterval(() => {
    takeLock(db, owner).catch((err: unknown) => logger.warn('Could not renew the lock of the migrations', { err }))
  }, LEASE_MS / 3)
  try {
    for (const migration of await pending()) {
      logger.info('Migrating data', { migration: migration.name })
      await migration.run(db)
      await done.updateOne({ _id: migration.name }, { $currentDate: { appliedAt: true } }, { upsert: true })
    }
  } finally {
    clearInterval(renewal)
    await locks(db).updateOne({ _id: LOCK_ID, owner }, { $set: { owner: '', expiresAt: new Date(0) } })
  }
}

async function dropIndex(db: Db, collection: string, index: string): Promise<void> {
  const existing = await db.listCollections({ name: collection }).toArray()
  if (existing.length > 0 && (await db.collection(collection).indexExists(index))) await db.collection(collection).dropIndex(index)
}

const locks = (db: Db) => db.collection<LockDocument>('migration_locks')

/** Without a holder; made by whoever comes first. */
async function makeLock(db: Db): Promise<void> {
  try {
    await locks(db).updateOne({ _id: LOCK_ID }, { $setOnInsert: { owner: '', expiresAt: new Date(0) } }, { upsert: true })
  } catch (error) {
    // Two of one moment: the other one made it.
    if (!isDuplicateKey(error)) throw error
  }
}

/** Takes the lock, or renews it; its time is that of MongoDB, so that no server's clock matters. False: another one has it. */
async function takeLock(db: Db, owner: string): Promise<boolean> {
  const isFree = { $or: [{ $eq: ['$owner', owner] }, { $lt: ['$expiresAt', '$$NOW'] }] }
  const result = await locks(db).updateOne({ _id: LOCK_ID, $expr: isFree }, [{ $set: { owner, expiresAt: { $add: ['$$NOW', LEASE_MS] } } }])
  return result.matchedCount > 0
}
