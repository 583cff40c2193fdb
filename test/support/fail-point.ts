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

/** Runs `work` while MongoDB closes the connection of whoever gives it one of these commands on the collection, in this database only. */
export async function withWriteFault<T>(database: Db, collection: string, commands: readonly string[], work: () => Promise<T>): Promise<T> {
  const configure = (mode: string, data: object = {}) => database.admin().command({ configureFailPoint: 'failCommand', mode, data })
  await configure('alwaysOn', { failCommands: commands, namespace: `${database.databaseName}.${collection}`, closeConnection: true })
  try {
    return await work()
  } finally {
    await configure('off')
  }
}
