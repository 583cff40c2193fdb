import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startReplicaSet } from '@jobtrail/deploy/mongod'
import { startRedis } from '@jobtrail/deploy/redis'
import { MongoClient } from 'mongodb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testInfra } from '../support/infra.js'

let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'jobtrail-services-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

test('each test file gets a database and a key prefix of its own on the shared services', async () => {
  const first = testInfra()
  const second = testInfra()
  expect(first.database).not.toBe(second.database)
  expect(first.keyPrefix).not.toBe(second.keyPrefix)
  await using client = await MongoClient.connect(first.mongodbUri)
  expect(client.db().databaseName).toBe(first.database)
  await client
    .db()
    .collection('probe')
    .insertOne({ text: 'kept' }, { writeConcern: { w: 'majority', journal: true } })
})

test('a replica set elects another primary when its primary is killed, and takes the old one back', async () => {
  const set = await startReplicaSet({ dir: join(dir, 'three'), members: 3, electionTimeoutMs: 1_500, cacheGb: 0.25 })
  try {
    const before = await set.primary()
    await set.kill(before.index)
    const after = await set.primary()
    expect(after.index).not.toBe(before.index)
    await set.restart(before.index)
    expect(before.process.isRunning).toBe(true)
  } finally {
    await set.stop({ fast: true })
  }
})

test('a replica set of one keeps its data over a restart on another port', async () => {
  const one = await startReplicaSet({ dir: join(dir, 'one') })
  try {
    await using client = await MongoClient.connect(one.uri('kept'))
    await client.db().collection('probe').insertOne({ text: 'kept' })
  } finally {
    await one.stop()
  }
  const again = await startReplicaSet({ dir: join(dir, 'one') })
  try {
    expect(again.members[0]?.port).not.toBe(one.members[0]?.port)
    await using client = await MongoClient.connect(again.uri('kept'))
    expect(await client.db().collection('probe').countDocuments()).toBe(1)
  } finally {
    await again.stop({ fast: true })
  }
})

test('Redis comes back after it was killed, and can be emptied', async () => {
  const redis = await startRedis({ dir: join(dir, 'redis'), appendonly: true })
  try {
    await redis.kill()
    expect(redis.process.isRunning).toBe(false)
    await redis.start()
    await redis.flush()
  } finally {
    await redis.stop()
  }
})
