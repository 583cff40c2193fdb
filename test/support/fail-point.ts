import type { Db } from 'mongodb'

/** What becomes of reads of a collection: they take longer, or are answered with an error. */
export type ReadFault = { blockTimeMs: number } | { errorCode: number }

/** Runs `work` while MongoDB does so to each read of the collection that people ask a server for, in this database only. */
export async function withReadFault<T>(database: Db, serverId: string, collection: string, fault: ReadFault, work: () => Promise<T>): Promise<T> {
  const appName = `${serverId} reads`
  const configure = (mode: string, data: object = {}) => database.admin().command({ configureFailPoint: 'failCommand', mode, data })
  const effect = 'errorCode' in fault ? fault : { blockConnection: true, blockTimeMS: fault.blockTimeMs }
  await configure('alwaysOn', { failCommands: ['find', 'aggregate'], appName, namespace: `${database.databaseName}.${collection}`, ...effect })
  try {
    return await work()
  } finally {
    await configure('off')
  }
}
