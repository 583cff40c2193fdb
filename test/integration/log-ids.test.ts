import { join } from 'node:path'
import type { ApiClient } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { LogSearchPage, LogVerification } from '@jobtrail/shared/api/logs'
import { Binary, type Db } from 'mongodb'
import { beforeAll, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createAndRun, createJob, getInstance, rawLog, runJob, shellJob, waitForInstance, waitForSealed } from '../support/factories.js'
import { LogFollower } from '../support/follow.js'
import { Gate } from '../support/gate.js'
import { DAY_MS } from '../support/old-runs.js'
import { storedIds } from '../support/stored-ids.js'

const GRACE_MS = 15_000
const OLDER = 'older-server'
const cluster = useCluster({ servers: 2, workers: 1, serverEnv: { JOBTRAIL_UPGRADE_GRACE_MS: String(GRACE_MS) } })

type Stored = { _id: { instance: string | Binary }; totals?: { lines: number; digest?: Binary } }
type Server = { _id: string; lastSeenAt: Date; dataVersion?: number }

let api: ApiClient
let db: Db
/** Older than the servers' first look. */
let isOlderThere: Promise<void>
beforeAll(async () => {
  db = await cluster().database()
  isOlderThere = olderServerComes()
  api = await cluster().api()
})

/** A server of the former version is heard of from now on. */
async function olderServerComes(): Promise<void> {
  const servers = db.collection<Server>('servers')
  const one = await servers.findOne()
  if (one === null) throw new Error('no server')
  const { dataVersion: _, ...older } = one
  await servers.insertOne({ ...older, _id: OLDER, lastSeenAt: new Date(Date.now() + DAY_MS) })
}

const form = () => db.collection<{ quietSince: Date | null; binaryFrom?: string }>('log_id_form').findOne()
const storedOf = async (id: string): Promise<Stored[]> => {
  const find = (name: string) => db.collection<Stored>(name).find({ '_id.instance': storedIds([id]) }).toArray()
  return [...(await find('log_streams')), ...(await find('log_chunks'))]
}
const isAllBinary = (stored: readonly Stored[]): boolean => stored.length > 0 && stored.every(({ _id }) => _id.instance instanceof Binary)
const isAllText = (stored: readonly Stored[]): boolean => stored.length > 0 && stored.every(({ _id }) => typeof _id.instance === 'string')

/** That every server reads the log alike, by every way. */
async function expectReadable(id: string, text: string): Promise<void> {
  for (const { url } of cluster().servers) {
    const server = await cluster().api(url)
    expect((await rawLog(server, id)).toString()).toBe(text)
    expect(await server.get(`/api/instances/${id}/logs/verify`, LogVerification)).toMatchObject({ valid: true, state: 'sealed' })
    const { matches } = await server.get(`/api/instances/${id}/logs/search?q=e`, LogSearchPage)
    expect(matches.length).toBe([...text.matchAll(/e.*\n/g)].length)
    const follower = new LogFollower([server], id)
    await follower.done
    expect(follower.lines.map((line) => `${line.text}\n`).join('')).toBe(text)
  }
}

test('IDs are stored as text until no older server was heard of for a time, then as bytes; what is there stays and is read', async () => {
  await isOlderThere
  const gate = new Gate(join(cluster().dir, 'gate'))
  const early = await createAndRun(api, shellJob('echo one; echo two'))
  await waitForSealed(api, early.instanceId)
  // Runs over the change.
  const long = await createAndRun(api, shellJob(`echo one; ${gate.shell(1)}; echo two; ${gate.shell(2)}; echo three`))
  await waitForInstance(api, long.instanceId, 'has printed', ({ log }) => log.lines === 1)
  await waitFor(async () => (await form())?.quietSince === null || undefined, { timeoutMs: 60_000, what: 'the servers know that an older one is there' })
  expect(await form()).not.toHaveProperty('binaryFrom')

  await db.collection<Server>('servers').deleteOne({ _id: OLDER })
  await waitFor(async () => (await form())?.quietSince ?? undefined, { timeoutMs: 60_000, what: 'the servers know that no older one is left' })
  // A crash in between costs nothing.
  await Promise.all(cluster().servers.map((server) => server.kill()))
  await Promise.all(cluster().servers.map((server) => server.start()))
  const binaryFrom = await waitFor(async () => (await form())?.binaryFrom, { timeoutMs: 60_000, what: 'it is decided' })

  gate.open()
  const empty = await createJob(api, shellJob('true'))
  const late = await waitFor(
    async () => {
      const id = await runJob(api, empty.id)
      await waitForSealed(api, id)
      return id >= binaryFrom ? id : undefined
    },
    { timeoutMs: 90_000, what: 'a run that was made after it' },
  )
  const [record] = await storedOf(late)
  expect(record?._id.instance).toBeInstanceOf(Binary)
  expect(record?.totals).toEqual({ chunks: 0, lines: 0, bytes: 0 })
  expect(await getInstance(api, late)).toMatchObject({ log: { state: 'sealed', lines: 0 } })
  await expectReadable(late, '')

  const loud = await createAndRun(api, shellJob('echo one; echo two; echo three'))
  gate.open()
  for (const { instanceId } of [loud, long]) await waitForSealed(api, instanceId)
  expect(isAllBinary(await storedOf(loud.instanceId))).toBe(true)
  for (const { instanceId } of [early, long]) expect(isAllText(await storedOf(instanceId))).toBe(true)
  await expectReadable(loud.instanceId, 'one\ntwo\nthree\n')
  await expectReadable(early.instanceId, 'one\ntwo\n')
  await expectReadable(long.instanceId, 'one\ntwo\nthree\n')
})
