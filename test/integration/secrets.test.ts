import { randomBytes, randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { waitFor } from '@jobtrail/deploy/wait'
import { InstancePage } from '@jobtrail/api/instances'
import type { JobView } from '@jobtrail/api/jobs'
import { expect, test } from 'vitest'
import { TEST_SECRET_KEYS, useCluster } from '../support/cluster.js'
import { commandJob, createAndRun, createJob, handlerJob, runJob, shellJob, uniqueName, waitForEnd, waitForInstance } from '../support/factories.js'
import { ProtocolWorker } from '../support/protocol-worker.js'

const newKey = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`
const NEXT = newKey('next')
/** The first two are started before the tests, the others by them: one with a new key, one with a wrong one, one without any. */
const KEYS = [TEST_SECRET_KEYS, TEST_SECRET_KEYS, `${NEXT},${TEST_SECRET_KEYS}`, newKey('next'), '']
const cluster = useCluster({ servers: 2, workers: 0, balancer: 'none', serverEnv: (index) => ({ JOBTRAIL_SECRET_KEYS: KEYS[index] ?? '' }) })

const within = { timeoutMs: 60_000, intervalMs: 100 }

async function connected(index: number): Promise<ProtocolWorker> {
  const worker = new ProtocolWorker(await cluster().createWorkerToken(), uniqueName('worker'), 8)
  await worker.connect(cluster().server(index).url)
  return worker
}

const jobFor = (worker: ProtocolWorker, secrets: Record<string, string>) => shellJob('true', { routing: { tags: [worker.tag] }, secrets })

/** Where the database holds a text, byte for byte. */
async function collectionsWith(text: string): Promise<string[]> {
  const db = await cluster().database()
  const found: string[] = []
  for (const { name } of await db.listCollections({}, { nameOnly: true }).toArray()) {
    const documents = await db.collection(name).find({}, { raw: true }).toArray()
    if (documents.some((each) => (each as unknown as Buffer).includes(text))) found.push(name)
  }
  return found
}

/** IDs of the keys that the secrets of a job are sealed with, in all places; `plain` for those that are not. */
async function keysOf(jobId: string): Promise<string[]> {
  const db = await cluster().database()
  const job = await db.collection<{ _id: string; secrets: Record<string, string> }>('jobs').findOne({ _id: jobId })
  const revisions = await db.collection<{ definition: { secrets: Record<string, string> } }>('job_revisions').find({ '_id.job': jobId }).toArray()
  const stored = [job?.secrets ?? {}, ...revisions.map(({ definition }) => definition.secrets)].flatMap((secrets) => Object.values(secrets))
  return [...new Set(stored.map((text) => /^sealed:v1:([^:]+):/.exec(text)?.[1] ?? 'plain'))].toSorted()
}

test('secrets are sealed wherever they are stored, also rotated ones, and opened for the worker that runs the job', async () => {
  const api = await cluster().api()
  const worker = await connected(0)
  const [first, second] = [`first-${randomUUID()}`, `second-${randomUUID()}`]
  const job = await createJob(api, jobFor(worker, { KEY: first, OTHER_ONE: 'another-value' }))
  expect((await worker.assignment(await runJob(api, job.id), 1)).secrets).toEqual({ KEY: first, OTHER_ONE: 'another-value' })
  const changed = await api.patch<JobView>(`/api/jobs/${job.id}`, { revision: 1, secrets: { KEY: second } })
  expect((await worker.assignment(await runJob(api, job.id), 1)).secrets).toEqual({ KEY: second, OTHER_ONE: 'another-value' })
  // The same value anew is no change.
  expect(await api.patch(`/api/jobs/${job.id}`, { revision: changed.revision, secrets: { KEY: second, OTHER_ONE: '***' } })).toMatchObject({
    revision: changed.revision,
  })
  expect(await collectionsWith(first)).toEqual([])
  expect(await collectionsWith(second)).toEqual([])
  // The search itself finds what is there.
  expect(await collectionsWith(job.name)).toEqual(expect.arrayContaining(['jobs', 'job_revisions', 'instances']))
  expect(await keysOf(job.id)).toEqual(['test'])
  worker.disconnect()
})

test('what a run says beside its output is masked: progress, result, error, and the name of a program that cannot be started; no search finds the secret', async () => {
  const api = await cluster().api()
  const secret = `told-${randomUUID()}`
  const group = uniqueName('telling')
  const worker = await cluster().addWorker({ args: ['--handlers', fileURLToPath(new URL('../support/handlers.mjs', import.meta.url)), '--group', group] })
  const more = { routing: { group }, secrets: { KEY: secret } }
  const gate = join(cluster().dir, group)
  const job = await createJob(api, handlerJob('telling', more))
  const ids = await Promise.all([false, true].map((fails) => runJob(api, job.id, { params: { fails, gate } })))
  for (const id of ids) {
    const { attempts } = await waitForInstance(api, id, 'tells its progress', (instance) => (instance.attempts[0]?.progress ?? null) !== null)
    expect(attempts[0]?.progress).toEqual({ percent: 10, message: 'knows ***' })
  }
  writeFileSync(gate, '')
  const unstartable = await createAndRun(api, commandJob(`/nowhere/${secret}`, [], more))
  const [told = '', thrown = ''] = ids
  expect(await waitForEnd(api, told)).toMatchObject({ status: 'SUCCEEDED', result: { of: { key: '***' }, in: ['this *** too'] } })
  expect(await waitForEnd(api, thrown)).toMatchObject({ status: 'FAILED', error: expect.stringContaining('does not like ***') })
  expect(await waitForEnd(api, unstartable.instanceId)).toMatchObject({ status: 'FAILED', error: expect.stringContaining('/nowhere/***') })
  for (const id of [...ids, unstartable.instanceId]) expect((await api.bytes(`/api/instances/${id}`)).includes(secret)).toBe(false)
  const found = async (text: string): Promise<string[]> =>
    (await api.get(`/api/instances?namespace=default&text=${encodeURIComponent(text)}`, InstancePage)).items.map(({ id }) => id)
  expect(await found(secret)).toEqual([])
  expect(await found('does not like')).toEqual([thrown])
  expect(await found('this *** too')).toEqual([told])
  expect(await collectionsWith('does not like')).toEqual(expect.arrayContaining(['instances', 'attempts']))
  for (const name of ['instances', 'attempts']) expect(await collectionsWith(secret)).not.toContain(name)
  await worker.stop()
})

test('what a former version stored plain, and what another key has sealed, is sealed with the first key after a start', async () => {
  const api = await cluster().api()
  const db = await cluster().database()
  const worker = await connected(0)
  const value = `plain-${randomUUID()}`
  const job = await createJob(api, jobFor(worker, { KEY: value }))
  await db.collection<{ _id: string }>('jobs').updateOne({ _id: job.id }, { $set: { secrets: { KEY: value } } })
  expect(await keysOf(job.id)).toEqual(['plain', 'test'])
  await db.collection('job_revisions').updateOne({ '_id.job': job.id }, { $set: { 'definition.secrets': { KEY: value } } })
  expect((await worker.assignment(await runJob(api, job.id), 1)).secrets).toEqual({ KEY: value })
  const renewed = await cluster().addServer()
  await waitFor(async () => (await keysOf(job.id)).join() === 'next', { ...within, what: 'all to be sealed with the new key' })
  expect(await collectionsWith(value)).toEqual([])
  await worker.connect(renewed.url)
  expect((await worker.assignment(await runJob(api, job.id), 1)).secrets).toEqual({ KEY: value })

  // A server that has not got the new key yet, and one that has a wrong one: the run says so, others run, and it runs where the key is right.
  await cluster().addServer()
  for (const [index, reason] of [
    [1, /"next".*JOBTRAIL_SECRET_KEYS.*add it/],
    [3, /"next".*JOBTRAIL_SECRET_KEYS.*give it the value/],
  ] as const) {
    await worker.connect(cluster().server(index).url)
    const sealed = await runJob(api, job.id)
    const failed = await waitForInstance(api, sealed, 'could not be handed out', ({ attempts }) => attempts.some(({ status }) => status === 'LOST'))
    expect(failed.attempts[0]?.error).toMatch(reason)
    const free = await createJob(api, jobFor(worker, {}))
    await worker.assignment(await runJob(api, free.id), 1)
    await worker.connect(renewed.url)
    await waitFor(() => worker.given.some(({ instanceId, secrets }) => instanceId === sealed && secrets['KEY'] === value), {
      ...within,
      what: 'the run to be handed out by the server that has the key',
    })
  }
  worker.disconnect()
})

test('without a key secrets are refused, naming the variable, and all else goes on', async () => {
  const api = await cluster().api((await cluster().addServer()).url)
  const existing = await createJob(await cluster().api(), shellJob('true', { secrets: { KEY: 'a secret' } }))
  await expect(createJob(api, shellJob('true', { secrets: { KEY: 'a secret' } }))).rejects.toMatchObject({
    status: 400,
    body: { errors: [{ path: 'secrets.KEY', message: expect.stringContaining('JOBTRAIL_SECRET_KEYS') }] },
  })
  await createJob(api, shellJob('true'))
  expect(await api.patch(`/api/jobs/${existing.id}`, { revision: 1, priority: 3, secrets: { KEY: '***' } })).toMatchObject({
    revision: 2,
    secrets: { KEY: '***' },
  })
})
