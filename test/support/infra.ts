import { randomBytes } from 'node:crypto'
import { withDatabase } from '@jobtrail/deploy/mongo-uri'
import { inject } from 'vitest'
// Brings in what globalSetup declares to provide.
import type { SharedServices } from './global-setup.js'

/** Where a test file's own data lies in the shared services. */
export interface Infra {
  /** The shared MongoDB with a database of the file's own in its path. */
  mongodbUri: string
  redisUrl: string
  database: string
  keyPrefix: string
}

/**
 * The shared MongoDB and Redis, with a database name and a key prefix that nobody else has: files
 * need not clean up after each other.
 */
export function testInfra(): Infra {
  const services: SharedServices = inject('services')
  const id = randomBytes(5).toString('hex')
  const database = `jobtrail_test_${id}`
  return {
    mongodbUri: withDatabase(services.mongodbUri, database),
    redisUrl: services.redisUrl,
    database,
    keyPrefix: `jobtrail-test-${id}`,
  }
}
