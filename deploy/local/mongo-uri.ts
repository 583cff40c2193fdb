import { SetupError } from './setup-error.js'

/** The same MongoDB address with another database name in its path. */
export function withDatabase(uri: string, database: string): string {
  const match = /^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/[^?]*)?(\?.*)?$/.exec(uri)
  if (match === null) throw new SetupError('the MongoDB address has to look like mongodb://host:port/database')
  return `${match[1]}/${database}${match[2] ?? ''}`
}

/** The database name in a MongoDB address, or undefined when it names none. */
export function databaseOf(uri: string): string | undefined {
  const match = /^mongodb(?:\+srv)?:\/\/[^/?]+\/([^?]+)/.exec(uri)
  return match?.[1]
}
