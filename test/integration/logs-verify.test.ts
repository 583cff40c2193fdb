import { join } from 'node:path'
import type { ApiClient } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { InstanceDetail } from '@jobtrail/shared/api/instances'
import { LogVerification } from '@jobtrail/shared/api/logs'
import { chainDigest, genesisDigest, packBody, unpackBody } from '@jobtrail/shared/log/codec'
import { Binary, type Collection } from 'mongodb'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { commandJob, createAndRun, getInstance, logPage, rawLog, shellJob, waitForInstance, waitForSealed } from '../support/factories.js'
import { Gate } from '../support/gate.js'
import { readMetric } from '../support/metrics.js'
import { numberedLinesCommand } from '../support/numbered-lines.js'
import { plainRequest } from '../support/plain-http.js'
import { storedIds } from '../support/stored-ids.js'

type ChunkId = { instance: string | Binary; task: number; attempt: number; n: number }
type ChunkDocument = {
  _id: ChunkId
  count: number
  bytes: number
  offset: number
  encoding: 'plain' | 'br'
  firstAt: Date
  lastAt: Date
  checksum: number
  digest: Binary
  body: Binary
}

const cluster = useCluster({ servers: 2, workers: 1, serverEnv: { JOBTRAIL_LEASE_MS: '10000' } })

const verify = (api: ApiClient, id: string, query = ''): Promise<LogVerification> => api.get(`/api/instances/${id}/logs/verify${query}`, LogVerification)
const bodyOf = ({ encoding, body }: ChunkDocument): Buffer => unpackBody(encoding, Buffer.from(body.value()))
/** What a forger would store who wants it to look right by itself. */
function repacked(chunk: ChunkDocument, body: Buffer, previousDigest?: string): ChunkDocument {
  const { data, encoding, checksum } = packBody(body)
  const header = { n: chunk._id.n, count: chunk.count, bytes: chunk.bytes, offset: chunk.offset, firstAt: chunk.firstAt.getTime() }
  const digest = previousDigest === undefined ? chunk.digest : new Binary(Buffer.from(chainDigest(previousDigest, header, body), 'hex'))
  return { ...chunk, encoding, checksum, body: new Binary(data), digest }
}
/** The body with the last character of its last line exchanged. */
function forged(chunk: ChunkDocument): Buffer {
  const body = Buffer.from(bodyOf(chunk))
  const at = body.length - 2
  body[at] = body[at] === 65 ? 66 : 65
  return body
}

describe('verification of a sealed log', () => {
  const log = { seed: 21, lines: 6_000 }
  let id = ''
  let api: ApiClient
  let chunks: Collection<ChunkDocument>
  let stored: ChunkDocument[] = []
  const chunk = (index: number): ChunkDocument => {
    const found = stored.at(index)
    if (found === undefined) throw new RangeError(`the log has no chunk ${index}`)
    return found
  }
  const put = async (document: ChunkDocument): Promise<void> => {
    await chunks.replaceOne({ _id: document._id }, document, { upsert: true })
  }

  /**
   * Whether a client could take the answer for a whole one. Not by fetch, which takes a compressed body that breaks off for one that ends, and not at the load
   * balancer, which takes a server whose answer broke off for dead, and passes it over for a second.
   */
  const givenWhole = async (encoding: string): Promise<boolean> => {
    const headers = { authorization: `Bearer ${api.token}`, 'accept-encoding': encoding }
    try {
      return (await plainRequest(new URL(`/api/instances/${id}/logs/raw`, cluster().server(0).url), { headers })).status === 200
    } catch (error) {
      expect(error).toMatchObject({ code: 'ECONNRESET' })
      return false
    }
  }

  beforeAll(async () => {
    api = await cluster().api()
    chunks = (await cluster().database()).collection<ChunkDocument>('log_chunks')
    const gate = new Gate(join(cluster().dir, 'gate-verify'), 1)
    const { command, args } = numberedLinesCommand(log, { sections: 1, gateFile: gate.file, burst: 1_000, pauseMs: 1 })
    id = (await createAndRun(api, commandJob(command, args))).instanceId
    await waitForSealed(api, id)
    stored = await chunks.find({ '_id.instance': storedIds([id]) }).sort({ _id: 1 }).toArray()
  })
  afterEach(async () => {
    for (const document of stored) await put(document)
    const { valid, reason } = await verify(api, id)
    if (!valid) throw new Error(`what was put back is not valid: ${reason}`)
  })

  test('finds it valid, with its sums and the digest that it was sealed with, on each server', async () => {
    expect(stored.length).toBeGreaterThanOrEqual(5)
    for (const encoding of ['identity', 'gzip', 'br']) expect(await givenWhole(encoding), encoding).toBe(true)
    const bytes = (await rawLog(api, id)).length
    const expected = { valid: true, state: 'sealed', lines: log.lines, bytes, digest: chunk(-1).digest.toString('hex') }
    for (const { url } of cluster().servers) expect(await verify(await cluster().api(url), id)).toEqual(expected)
  })

  test.each([0, 2, -1])('finds a changed byte in chunk %i', async (index) => {
    await put(repacked(chunk(index), forged(chunk(index))))
    expect(await verify(api, id)).toMatchObject({ valid: false, state: 'sealed', firstBad: chunk(index)._id.n, reason: expect.any(String) })
  })

  test('finds bytes that do not decode any more', async () => {
    const body = Buffer.from(chunk(1).body.value())
    body.fill(0xff, 10, 40)
    await put({ ...chunk(1), body: new Binary(body) })
    expect(await verify(api, id)).toMatchObject({ valid: false, firstBad: chunk(1)._id.n })
  })

  test('finds a changed chunk whose digest was made to fit, by the one after it, and a whole chain made to fit, by the seal', async () => {
    const before = chunk(1).digest.toString('hex')
    await put(repacked(chunk(2), forged(chunk(2)), before))
    expect(await verify(api, id)).toMatchObject({ valid: false, firstBad: chunk(3)._id.n })
    let previous = genesisDigest({ instanceId: id, task: 0, attempt: 1 })
    for (const each of stored) {
      const made = repacked(each, each === chunk(2) ? forged(each) : bodyOf(each), previous)
      await put(made)
      previous = made.digest.toString('hex')
    }
    expect(await verify(api, id)).toMatchObject({ valid: false, reason: expect.stringContaining('sealed') })
  })

  test.each([0, 2, -1])('finds that chunk %i is missing, and nobody is given a log with a hole as if it were whole', async (index) => {
    await chunks.deleteOne({ _id: chunk(index)._id })
    expect(await verify(api, id)).toMatchObject({ valid: false, firstBad: chunk(index)._id.n })
    for (const encoding of ['identity', 'gzip', 'br']) expect(await givenWhole(encoding), encoding).toBe(false)
    await expect(logPage(api, id, 'limit=10000')).rejects.toMatchObject({ status: 500 })
    await expect(logPage(api, id, 'limit=10000&order=desc')).rejects.toMatchObject({ status: 500 })
  })

  test('finds chunks that were swapped, with their places and with their text only', async () => {
    const [a, b] = [chunk(1), chunk(3)]
    await put({ ...b, _id: a._id })
    await put({ ...a, _id: b._id })
    expect(await verify(api, id)).toMatchObject({ valid: false, firstBad: a._id.n })
    const text = ({ count, bytes, encoding, firstAt, lastAt, checksum, digest, body }: ChunkDocument) => ({
      count,
      bytes,
      encoding,
      firstAt,
      lastAt,
      checksum,
      digest,
      body,
    })
    await put({ ...a, ...text(b) })
    await put({ ...b, ...text(a) })
    expect(await verify(api, id)).toMatchObject({ valid: false, firstBad: a._id.n })
  })

  test('finds times that were changed', async () => {
    await put({ ...chunk(1), firstAt: new Date(chunk(1).firstAt.getTime() - 60_000) })
    expect(await verify(api, id)).toMatchObject({ valid: false, firstBad: chunk(1)._id.n })
  })
})

test('the state of a log is said wherever it is shown: open, then sealed', async () => {
  const api = await cluster().api()
  const gate = new Gate(join(cluster().dir, 'gate-state'))
  const { instanceId } = await createAndRun(api, shellJob(`echo one; ${gate.shell(1)}; echo two`))
  const states = async (): Promise<unknown[]> => {
    const detail = InstanceDetail.parse(await getInstance(api, instanceId))
    const { headers } = await api.raw('HEAD', `/api/instances/${instanceId}/logs/raw`)
    return [
      detail.log.state,
      detail.attempts[0]?.log.state,
      (await logPage(api, instanceId)).state,
      (await verify(api, instanceId)).state,
      headers.get('x-jobtrail-log-state'),
    ]
  }
  await waitForInstance(api, instanceId, 'has printed', ({ log }) => log.lines === 1)
  expect(await states()).toEqual(['open', 'open', 'open', 'open', 'open'])
  expect(await verify(api, instanceId)).toMatchObject({ valid: true, lines: 1, bytes: 4 })
  gate.openAll()
  const { log } = await waitForSealed(api, instanceId)
  expect(log).toEqual({ state: 'sealed', lines: 2, bytes: 8 })
  expect(await states()).toEqual(['sealed', 'sealed', 'sealed', 'sealed', 'sealed'])
})

test('a log whose worker was lost is interrupted, says why and which lines are missing, and is partial when the worker comes back', async () => {
  const api = await cluster().api()
  const worker = await cluster().addWorker({ args: ['--tags', 'victim'] })
  await cluster().waitForWorkers()
  const gate = new Gate(join(cluster().dir, 'gate-victim'))
  const steps = [1, 2, 3].map((step) => `${gate.shell(step)}; echo ${step}a; echo ${step}b`)
  const { instanceId } = await createAndRun(api, shellJob([...steps, gate.shell(4)].join('; '), { routing: { tags: ['victim'] } }))
  for (const step of [1, 2, 3]) {
    gate.open()
    await waitForInstance(api, instanceId, `has stored section ${step}`, ({ log }) => log.lines === 2 * step)
  }
  await worker.kill()
  const lost = await waitForInstance(api, instanceId, 'is known to be interrupted', ({ log }) => log.state === 'interrupted', 90_000)
  expect(lost.log).toMatchObject({ lines: 6, bytes: 18, reason: expect.stringMatching(/worker|lease/i) })
  expect(lost.attempts[0]).toMatchObject({ status: 'LOST', log: { state: 'interrupted', reason: lost.log.reason } })
  for (const { url } of cluster().servers) {
    expect(await logPage(await cluster().api(url), instanceId)).toMatchObject({ state: 'interrupted', total: 6, reason: lost.log.reason, next: 6 })
  }
  expect(await verify(api, instanceId)).toMatchObject({ valid: true, state: 'interrupted', lines: 6 })

  await waitFor(async () => (await readMetric(cluster().server(0).url, 'jobtrail_log_streams_unsealed', { state: 'interrupted' })) === 1, {
    timeoutMs: 60_000,
    what: 'the interrupted log to be counted',
  })

  // A chunk that has not arrived while one after it has: as when two servers stored them and one did not.
  const chunks = (await cluster().database()).collection<ChunkDocument>('log_chunks')
  const inGap = await chunks.find({ '_id.instance': storedIds([instanceId]), '_id.n': { $gte: 2, $lt: 4 } }).toArray()
  await chunks.deleteMany({ _id: { $in: inGap.map(({ _id }) => _id) } })
  const gaps = [{ from: 2, to: 4 }]
  expect(await logPage(api, instanceId)).toMatchObject({ state: 'interrupted', total: 2, gaps, lines: [{ text: '1a' }, { text: '1b' }] })
  expect((await getInstance(api, instanceId)).log).toMatchObject({ lines: 2, gaps })
  expect(await verify(api, instanceId)).toMatchObject({ valid: false, firstBad: 2 })
  expect((await rawLog(api, instanceId)).toString()).toBe('1a\n1b\n')
  await chunks.insertMany(inGap)

  worker.start()
  await waitForInstance(api, instanceId, 'is complete as far as its worker had read it', ({ log }) => log.state === 'partial', 90_000)
  expect((await rawLog(api, instanceId)).toString()).toMatch(/^1a\n1b\n2a\n2b\n3a\n3b\n/)
  expect(await verify(api, instanceId)).toMatchObject({ valid: true, state: 'partial', losses: [{ reason: 'worker-died', at: 6 }] })
})
