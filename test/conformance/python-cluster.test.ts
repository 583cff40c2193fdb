import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ApiClient } from '@jobtrail/deploy/api-client'
import { LogVerification } from '@jobtrail/shared/api/logs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { attemptProcesses } from '../support/attempt-processes.js'
import { useCluster } from '../support/cluster.js'
import { commandJob, createAndRun, handlerJob, rawLog, shellJob, waitForInstance, waitForSealed } from '../support/factories.js'
import { python, WorkerUnderTest } from './worker-under-test.js'

const cluster = useCluster({ servers: 2, workers: 0, serverEnv: { JOBTRAIL_LEASE_MS: '8000' } })
let worker: WorkerUnderTest

beforeAll(async () => {
  worker = new WorkerUnderTest(python, cluster().url, { token: await cluster().createWorkerToken(), slots: 6 })
  await cluster().waitForWorkers(1)
})

afterAll(async () => {
  const log = worker.log()
  await worker.remove()
  if (/Traceback|broke/.test(log)) throw new Error(`The worker broke inside:\n${log}`)
})

/** Its log is whole, checked by the server, and byte for byte what was written. */
async function expectWhole(api: ApiClient, instanceId: string, expected: Buffer): Promise<void> {
  const ended = await waitForSealed(api, instanceId)
  expect(ended).toMatchObject({ status: 'SUCCEEDED', attempt: 1, log: { state: 'sealed' } })
  expect((await rawLog(api, instanceId)).equals(expected)).toBe(true)
  expect(await api.get(`/api/instances/${instanceId}/logs/verify?attempt=1`, LogVerification)).toMatchObject({ valid: true, state: 'sealed' })
}

/** Lines of every length, some of them long, some no text. */
function someBytes(): Buffer {
  const parts: Buffer[] = []
  for (let i = 0; i < 4_000; i++) {
    parts.push(Buffer.from(`${i} ${'wörter → 日志 '.repeat(i % 40)}`), i % 97 === 0 ? Buffer.from([0xff, 0x00, 0xc3]) : Buffer.alloc(0), Buffer.from('\n'))
  }
  return Buffer.concat([...parts, Buffer.from(`${'x'.repeat(150_000)}\nno newline at the end`)])
}

test('shell and function jobs run on the Python worker, and their logs are whole', async () => {
  const api = await cluster().api()
  const file = join(cluster().dir, 'bytes')
  writeFileSync(file, someBytes())
  const cat = await createAndRun(api, commandJob('cat', [file]))
  const result = await createAndRun(
    api,
    shellJob('echo "$JOBTRAIL_PARAM_WHO"; echo "{\\"big\\": 1e400}" > "$JOBTRAIL_RESULT_FILE"', { params: { who: 'world' } }),
  )
  const echo = await createAndRun(api, handlerJob('echo', { params: { n: 7 } }))
  const masked = await createAndRun(api, shellJob('echo "it is $TOKEN."', { secrets: { TOKEN: 'sesame-open' } }))
  await expectWhole(api, cat.instanceId, readFileSync(file))
  await expectWhole(api, result.instanceId, Buffer.from('world\n'))
  await expectWhole(api, masked.instanceId, Buffer.from('it is ***.\n'))
  expect(await waitForSealed(api, echo.instanceId)).toMatchObject({ status: 'SUCCEEDED', result: { params: { n: 7 }, attempt: 1 } })
  expect((await api.bytes(`/api/instances/${result.instanceId}`)).toString()).toContain('1e400')
})

test('a run that fails is made again, and one that is cancelled ends', async () => {
  const api = await cluster().api()
  const failing = await createAndRun(
    api,
    shellJob('echo "attempt $JOBTRAIL_ATTEMPT_NUMBER"; [ "$JOBTRAIL_ATTEMPT_NUMBER" = 2 ]', { retry: { maxRetries: 1, backoffMs: 100 } }),
  )
  const endless = await createAndRun(api, shellJob('echo ready; sleep 300'))
  await waitForInstance(api, endless.instanceId, 'prints', ({ log }) => log.lines === 1)
  await api.post(`/api/instances/${endless.instanceId}/cancel`, {})
  expect(await waitForSealed(api, endless.instanceId)).toMatchObject({ status: 'CANCELLED' })
  expect(await waitForSealed(api, failing.instanceId)).toMatchObject({ status: 'SUCCEEDED', attempt: 2 })
  expect((await rawLog(api, failing.instanceId, 'attempt=1')).toString()).toBe('attempt 1\n')
})

test('no line is lost or doubled when servers are killed while jobs print', async () => {
  const api = await cluster().api()
  const script = (lines: number): string =>
    `i=0; while [ $i -lt ${lines} ]; do echo "$i of $JOBTRAIL_INSTANCE_ID"; i=$((i + 1)); [ $((i % 20)) -gt 0 ] || sleep 0.05; done`
  const runs = await Promise.all([1, 2, 3].map(() => createAndRun(api, shellJob(script(1_500)))))
  for (const { instanceId } of runs) await waitForInstance(api, instanceId, 'prints', ({ log }) => log.lines > 20)
  for (const index of [0, 1]) {
    await cluster().server(index).kill()
    await cluster().server(index).start()
    await cluster().waitForWorkers(1)
  }
  for (const { instanceId } of runs)
    await expectWhole(api, instanceId, Buffer.from(Array.from({ length: 1_500 }, (_, i) => `${i} of ${instanceId}\n`).join('')))
})

test('a worker that is killed loses nothing that it had captured: its log is partial, and the run is made again', async () => {
  const api = await cluster().api()
  const script = 'echo "attempt $JOBTRAIL_ATTEMPT_NUMBER"; [ "$JOBTRAIL_ATTEMPT_NUMBER" = 2 ] || sleep 300'
  const { instanceId } = await createAndRun(api, shellJob(script, { retry: { maxRetries: 1, backoffMs: 100 } }))
  await waitForInstance(api, instanceId, 'prints', ({ log }) => log.lines === 1)
  await worker.kill()
  worker.restart()
  const ended = await waitForSealed(api, instanceId)
  expect(ended).toMatchObject({ status: 'SUCCEEDED', attempt: 2, attempts: [{ status: 'LOST' }, { status: 'SUCCEEDED' }] })
  expect(attemptProcesses(instanceId, 1)).toEqual([])
  await waitForInstance(api, instanceId, 'the log of attempt 1 is partial', ({ attempts }) => attempts[0]?.log.state === 'partial')
  const first = (await rawLog(api, instanceId, 'attempt=1')).toString()
  expect(first).toBe('attempt 1\n[jobtrail] the worker died here; output after this line may be missing\n')
  expect((await rawLog(api, instanceId)).toString()).toBe('attempt 2\n')
})
