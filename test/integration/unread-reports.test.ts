import { ChunkBuilder } from '@jobtrail/shared/log/chunk-builder'
import { expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createJob, getInstance, runJob, shellJob, uniqueName } from '../support/factories.js'
import { ProtocolWorker } from '../support/protocol-worker.js'

const cluster = useCluster({ servers: 1, workers: 0, balancer: 'none' })

test('a start or an end that cannot be read whole kills no healthy run and leaves none open: what can be read of it counts', async () => {
  const api = await cluster().api()
  const worker = new ProtocolWorker(await cluster().createWorkerToken(), uniqueName('unread'), 4)
  await worker.connect(cluster().url)
  const job = await createJob(api, shellJob('true', { routing: { tags: [worker.tag] } }))
  const ids = await Promise.all(Array.from({ length: 3 }, () => runJob(api, job.id)))
  const keys = await Promise.all(ids.map(async (id) => worker.assignment(id, 1)))
  const [first, second, third] = keys.map(({ instanceId, task, attempt }) => ({ instanceId, task, attempt }))
  if (first === undefined || second === undefined || third === undefined) throw new Error('three attempts were placed')
  expect(
    await worker.startedAll([
      { ...first, startedAt: 1.5 },
      { ...second, startedAt: Date.now() },
      { ...third, attempt: 0 },
    ]),
  ).toMatchObject({
    results: ['invalid', 'ok', 'invalid'],
    problems: [{ index: 0, message: expect.stringContaining('attempts.0.startedAt') }, { index: 2 }],
  })
  expect(await getInstance(api, first.instanceId)).toMatchObject({ attempts: [{ status: 'RUNNING', startedAt: expect.any(String) }] })
  expect(
    await worker.progressAll([
      { ...first, percent: 50, message: 'half' },
      { ...second, task: 0.5 },
    ]),
  ).toEqual({ problems: [{ index: 1, message: expect.stringContaining('attempts.1.task') }] })
  expect(await worker.heartbeat([first, second, third])).toMatchObject({ stop: [] })
  // A log that comes after totals that could not be read is sealed all the same.
  const builder = new ChunkBuilder(first)
  builder.add(Buffer.from('kept'), 0, Date.now())
  const chunk = builder.close() ?? expect.fail('no chunk')
  const end = { status: 'SUCCEEDED', startedAt: 1, finishedAt: 2, exitCode: 0, signal: null, error: null, result: 7 }
  expect(await worker.finishedAll([{ ...first, ...end, log: { ...builder.closedTotals, lines: -1 } }])).toEqual({
    results: ['invalid'],
    problems: [{ index: 0, message: expect.stringContaining('attempts.0.log.lines') }],
  })
  expect(await getInstance(api, first.instanceId)).toMatchObject({
    ...{ status: 'SUCCEEDED', result: 7, error: expect.stringContaining('attempts.0.log.lines') },
    attempts: [{ log: { state: 'interrupted' } }],
  })
  expect(await worker.log([chunk])).toEqual(['ok'])
  expect(await worker.seal(first, { ...builder.closedTotals, losses: [] })).toMatchObject({ state: 'sealed' })
  expect(await getInstance(api, first.instanceId)).toMatchObject({ attempts: [{ log: { state: 'sealed', lines: 1 } }] })
  // A worker that does not know the word is never told to kill.
  await worker.connect(cluster().url, [second, third], { understands: undefined })
  expect(await worker.startedAll([{ ...second, startedAt: null }])).toMatchObject({ results: ['ok'], problems: [{ index: 0 }] })
  expect(await worker.finishedAll([{ ...second, status: 'odd' }])).toMatchObject({ results: ['ok'], problems: [{ index: 0 }] })
  expect(await getInstance(api, second.instanceId)).toMatchObject({ status: 'FAILED', attempts: [{ log: { state: 'interrupted' } }] })
  worker.disconnect()
})
