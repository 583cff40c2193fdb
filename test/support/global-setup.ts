import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ReplicaSet, startReplicaSet } from '@jobtrail/deploy/mongod'
import { killChildrenOnSignals } from '@jobtrail/deploy/process'
import { type Redis, startRedis } from '@jobtrail/deploy/redis'
import type { TestProject } from 'vitest/node'
import { FAIL_POINTS } from './fail-point.js'

/** What the files of one run share. */
export interface SharedServices {
  mongodbUri: string
  redisUrl: string
}

declare module 'vitest' {
  export interface ProvidedContext {
    services: SharedServices
  }
}

/** Starts one MongoDB and one Redis for all files, unless the environment names running ones. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  killChildrenOnSignals()
  const dir = await mkdtemp(join(tmpdir(), 'jobtrail-test-'))
  let replicaSet: ReplicaSet | undefined
  let redis: Redis | undefined
  const teardown = async (): Promise<void> => {
    await Promise.all([replicaSet?.stop({ fast: true }), redis?.kill()])
    await rm(dir, { recursive: true, force: true })
  }
  try {
    // Empty counts as unset, as it does everywhere.
    let mongodbUri = process.env['MONGODB_URI'] || undefined
    if (mongodbUri === undefined) {
      replicaSet = await startReplicaSet({ dir: join(dir, 'mongo'), electionTimeoutMs: 2_000, args: FAIL_POINTS })
      mongodbUri = replicaSet.uri('jobtrail')
    }
    let redisUrl = process.env['REDIS_URL'] || undefined
    if (redisUrl === undefined) {
      redis = await startRedis({ dir: join(dir, 'redis') })
      redisUrl = redis.url
    }
    project.provide('services', { mongodbUri, redisUrl })
    return teardown
  } catch (error) {
    await teardown()
    throw error
  }
}
