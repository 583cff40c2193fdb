import type { Db } from 'mongodb'

/** Arguments of a mongod that has fail points. */
export const FAIL_POINTS = ['--setParameter', 'enableTestCommands=1']

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

const OPERATION_FAILED = 96

/** Runs `work` while MongoDB refuses these commands on the collection, in this database only; `work` may change which, from one moment to the next. */
export async function withWriteFault<T>(
  database: Db,
  collection: string,
  commands: readonly string[],
  work: (refuse: (commands: readonly string[]) => Promise<void>) => Promise<T>,
): Promise<T> {
  const admin = database.admin()
  const refuse = async (failCommands: readonly string[]): Promise<void> => {
    const data = { failCommands, namespace: `${database.databaseName}.${collection}`, errorCode: OPERATION_FAILED }
    await admin.command({ configureFailPoint: 'failCommand', mode: 'alwaysOn', data })
  }
  await refuse(commands)
  try {
    return await work(refuse)
  } finally {
    await admin.command({ configureFailPoint: 'failCommand', mode: 'off' })
  }
}
