import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { ApiError } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import {
  createAndRun,
  createJob,
  getInstance,
  handlerJob,
  logPage,
  rawLog,
  runJob,
  shellJob,
  waitForEnd,
  waitForInstance,
  waitForSealed,
} from '../support/factories.js'
import { Gate } from '../support/gate.js'

const cluster = useCluster({
  servers: 2,
  workers: 1,
  slots: 8,
  workerArgs: ['--tags', 'linux,x64', '--handlers', fileURLToPath(new URL('../support/handlers.mjs', import.meta.url))],
})

/** What two servers may disagree by about the time of MongoDB, each by half of the slowest answer that it takes its time from. */
const CLOCKS_DIFFER_MS = 250

const texts = async (instanceId: string, query?: string): Promise<string[]> =>
  (await logPage(await cluster().api(), instanceId, query)).lines.map(({ text }) => text)

describe('a run', () => {
  test('gets its params as environment and file, its secrets as environment but never in the log, and its result back', async () => {
    const api = await cluster().api()
    const script =
      'echo "day=$JOBTRAIL_PARAM_DAY token=$TOKEN"; cat "$JOBTRAIL_PARAMS_FILE"; echo; echo "{\\"rows\\": 3, \\"key\\": \\"$TOKEN\\"}" > "$JOBTRAIL_RESULT_FILE"; printf %s "$TOKEN" | base64; printf "no newline"'
    const { instanceId, job } = await createAndRun(api, shellJob(script, { params: { day: 'monday', n: 1 }, secrets: { TOKEN: 'correct-horse' } }))
    const instance = await waitForSealed(api, instanceId)
    expect(instance).toMatchObject({ status: 'SUCCEEDED', result: { rows: 3, key: '***' }, attempt: 1, revision: job.revision })
    expect(await texts(instanceId)).toEqual(['day=monday token=***', '{"day":"monday","n":1}', '***Q==', 'no newline'])
    expect((await rawLog(api, instanceId)).toString()).toMatch(/^day=monday token=\*{3}\n\{"day":"monday","n":1\}\n.*\nno newline$/)
    expect(JSON.stringify(await api.get(`/api/jobs/${job.id}`))).not.toContain('correct-horse')
  })

  test('of a shell job has the environment and the folder that the job names', async () => {
    const api = await cluster().api()
    const folder = `${cluster().dir}/a folder`
    await mkdir(folder)
    const processor = { kind: 'shell' as const, script: 'echo "$COLOUR of $PWD"; pwd', env: { COLOUR: 'dark "red" $HOME' }, cwd: folder }
    const { instanceId } = await createAndRun(api, shellJob('', { processor }))
    expect(await waitForSealed(api, instanceId)).toMatchObject({ status: 'SUCCEEDED' })
    expect(await texts(instanceId)).toEqual([`dark "red" $HOME of ${folder}`, folder])
    const nowhere = await createAndRun(api, shellJob('', { processor: { ...processor, cwd: `${folder}/nowhere` } }))
    expect(await waitForEnd(api, nowhere.instanceId)).toMatchObject({ status: 'FAILED', error: expect.stringContaining('nowhere') })
  })

  test('keeps the revision of the job that it was made from, whatever becomes of the job while it waits', async () => {
    const api = await cluster().api()
    const gate = new Gate(`${cluster().dir}/gate-revision`)
    const processor = { kind: 'shell' as const, script: `${gate.shell(1)}; echo one` }
    const job = await createJob(api, shellJob('', { processor, maxConcurrent: 1 }))
    const running = await runJob(api, job.id)
    await waitForInstance(api, running, 'runs', ({ status }) => status === 'RUNNING')
    const waiting = await runJob(api, job.id)
    await waitForInstance(api, waiting, 'waits for the other', ({ waitingFor }) => waitingFor?.reason === 'concurrency')
    await api.patch(`/api/jobs/${job.id}`, { revision: job.revision, processor: { kind: 'shell', script: 'echo two' } })
    const later = await runJob(api, job.id)
    gate.open()
    for (const [id, revision, text] of [
      [waiting, job.revision, 'one'],
      [later, job.revision + 1, 'two'],
    ] as const) {
      expect(await waitForSealed(api, id)).toMatchObject({ status: 'SUCCEEDED', revision })
      expect(await texts(id)).toEqual([text])
    }
  })

  test('that is due beyond what is queued ahead runs once and not early, though the servers that took and queued it are killed', async () => {
    const [first, second] = await Promise.all(cluster().servers.map(({ url }) => cluster().api(url)))
    if (first === undefined || second === undefined) throw new Error('two servers are wanted')
    const instances = (await cluster().database()).collection<{ _id: string; queued: boolean }>('instances')
    const marks = `${cluster().dir}/due`
    await mkdir(marks)
    const mark = `echo run >> "${marks}/$JOBTRAIL_INSTANCE_ID"; echo run`
    const delayed = await createJob(first, shellJob(mark))
    const failing = await createJob(
      first,
      shellJob(`${mark}; [ $(wc -l < "${marks}/$JOBTRAIL_INSTANCE_ID") = 2 ]`, { retry: { maxRetries: 1, backoffMs: 6_000 } }),
    )
    const retried = await Promise.all([first, second].map((api) => runJob(api, failing.id)))
    for (const id of retried) await waitForInstance(second, id, 'waits for its retry', ({ status, attempt }) => status === 'WAITING' && attempt === 1)
    const runs = await Promise.all([first, second, first].map((api) => runJob(api, delayed.id, { delayMs: 6_500 })))
    const all = [...retried, ...runs]
    const countQueued = (): Promise<number> => instances.countDocuments({ _id: { $in: all }, queued: true })
    const due = new Map(await Promise.all(all.map(async (id) => [id, Date.parse((await getInstance(second, id)).dueAt)] as const)))

    await cluster().server(0).kill()
    const firstIsBack = cluster().server(0).start()
    await waitFor(async () => (await countQueued()) === all.length, { timeoutMs: 60_000, what: 'all to be queued' })
    // Either may have queued them.
    await cluster().server(1).kill()
    await Promise.all([firstIsBack, cluster().server(1).start()])

    for (const id of all) {
      const times = retried.includes(id) ? 2 : 1
      const instance = await waitForSealed(first, id)
      expect(instance.status).toBe('SUCCEEDED')
      expect(await readFile(`${marks}/${id}`, 'utf8')).toBe('run\n'.repeat(times))
      expect(await texts(id)).toEqual(['run'])
      // One that its server was killed with before the worker had it was nobody's run, and is made again.
      expect(instance.attempts.filter(({ status, startedAt }) => status !== 'LOST' || startedAt !== null)).toHaveLength(times)
      for (const { dispatchedAt } of instance.attempts.slice(times - 1))
        expect(Date.parse(dispatchedAt) + CLOCKS_DIFFER_MS, `${id} was early`).toBeGreaterThanOrEqual(due.get(id) ?? Number.NaN)
    }
    await cluster().waitForWorkers()
  })

  test('fails with its exit code, is retried by the policy, and each attempt has its own log', async () => {
    const api = await cluster().api()
    const { instanceId } = await createAndRun(
      api,
      shellJob('echo "attempt $JOBTRAIL_ATTEMPT_NUMBER"; [ "$JOBTRAIL_ATTEMPT_NUMBER" = 3 ] || exit 7', { retry: { maxRetries: 2, backoffMs: 100 } }),
    )
    const instance = await waitForSealed(api, instanceId)
    expect(instance).toMatchObject({ status: 'SUCCEEDED', attempt: 3 })
    expect(instance.attempts.map(({ status, exitCode }) => [status, exitCode])).toEqual([
      ['FAILED', 7],
      ['FAILED', 7],
      ['SUCCEEDED', 0],
    ])
    expect(await texts(instanceId)).toEqual(['attempt 3'])
    expect(await texts(instanceId, 'attempt=1')).toEqual(['attempt 1'])
    const { instanceId: failed } = await createAndRun(api, shellJob('exit 3'))
    expect(await waitForEnd(api, failed)).toMatchObject({ status: 'FAILED', attempts: [{ exitCode: 3 }] })
  })

  test('is retried by hand, and the log of the second attempt is there', async () => {
    const api = await cluster().api()
    const { instanceId } = await createAndRun(api, shellJob('echo "attempt $JOBTRAIL_ATTEMPT_NUMBER"; [ "$JOBTRAIL_ATTEMPT_NUMBER" = 2 ]'))
    await waitForEnd(api, instanceId)
    await api.post(`/api/instances/${instanceId}/retry`)
    const instance = await waitForInstance(api, instanceId, 'succeeds, sealed', ({ status, log }) => status === 'SUCCEEDED' && log.state === 'sealed')
    expect(instance.attempt).toBe(2)
    for (const server of cluster().servers)
      expect((await logPage(await cluster().api(server.url), instanceId)).lines.map(({ text }) => text)).toEqual(['attempt 2'])
    await expect(api.post(`/api/instances/${instanceId}/retry`)).rejects.toMatchObject({ status: 409, code: 'NOT_ALLOWED_IN_STATE' })
  })

  test('is cancelled while it waits, and while it runs with all of its process group', async () => {
    const api = await cluster().api()
    const waiting = await createAndRun(api, shellJob('true', { routing: { tags: ['gpu'] } }))
    expect(await api.post(`/api/instances/${waiting.instanceId}/cancel`)).toMatchObject({ status: 'CANCELLED' })
    const running = await createAndRun(api, shellJob('trap "echo stopping; exit 0" TERM; sleep 600 & echo started; wait', { killGraceMs: 5_000 }))
    await waitForInstance(api, running.instanceId, 'has printed', ({ log }) => log.lines > 0)
    await api.post(`/api/instances/${running.instanceId}/cancel`)
    expect(await waitForSealed(api, running.instanceId)).toMatchObject({ status: 'CANCELLED' })
    expect(await texts(running.instanceId)).toEqual(['started', 'stopping'])
    // One that does not heed SIGTERM gets SIGKILL after its grace time.
    const deaf = await createAndRun(api, shellJob('trap "" TERM; echo started; while true; do sleep 1; done', { killGraceMs: 300 }))
    await waitForInstance(api, deaf.instanceId, 'has printed', ({ log }) => log.lines > 0)
    await api.post(`/api/instances/${deaf.instanceId}/cancel`)
    expect(await waitForEnd(api, deaf.instanceId)).toMatchObject({ status: 'CANCELLED' })
  })

  test('is ended by its timeout', async () => {
    const api = await cluster().api()
    const { instanceId } = await createAndRun(api, shellJob('echo started; sleep 600', { timeoutMs: 1_000, killGraceMs: 200 }))
    expect(await waitForSealed(api, instanceId)).toMatchObject({ status: 'TIMED_OUT', log: { lines: 1 } })
  })

  test('waits when no worker can take it, and says why', async () => {
    const api = await cluster().api()
    const tag = await createAndRun(api, shellJob('true', { routing: { tags: ['linux', 'gpu'] } }))
    expect((await getInstance(api, tag.instanceId)).waitingFor).toMatchObject({ reason: 'no_worker', message: expect.stringContaining('tag gpu') })
    const group = await createAndRun(api, shellJob('true', { routing: { group: 'night' } }))
    expect((await getInstance(api, group.instanceId)).waitingFor).toMatchObject({ reason: 'no_worker', message: expect.stringContaining('group night') })
    const handler = await createAndRun(api, handlerJob('unheard-of'))
    expect((await getInstance(api, handler.instanceId)).waitingFor).toMatchObject({ reason: 'no_worker', message: expect.stringContaining('unheard-of') })
    const later = await runJob(api, (await createJob(api, shellJob('true'))).id, { delayMs: 3_600_000 })
    expect((await getInstance(api, later)).waitingFor).toMatchObject({ reason: 'due' })
    for (const id of [tag.instanceId, group.instanceId, handler.instanceId, later]) await api.post(`/api/instances/${id}/cancel`)
  })

  test('waits for a slot by priority, and says its place in the queue', async () => {
    const api = await cluster().api()
    const blocker = await createJob(api, shellJob('while [ ! -e "$JOBTRAIL_PARAM_FLAG" ]; do sleep 0.05; done'))
    const flag = `${cluster().dir}/go`
    const blockers = await Promise.all(Array.from({ length: 8 }, () => runJob(api, blocker.id, { params: { flag } })))
    await Promise.all(blockers.map((id) => waitForInstance(api, id, 'runs', ({ status }) => status === 'RUNNING')))
    const low = await createAndRun(api, shellJob('true', { priority: -5 }))
    const high = await createAndRun(api, shellJob('true', { priority: 5 }))
    const waiting = await waitForInstance(api, low.instanceId, 'knows that slots are busy', ({ waitingFor }) => waitingFor?.reason === 'slots')
    expect(waiting.waitingFor).toMatchObject({ position: 2, message: expect.stringContaining('position 2') })
    await writeFile(flag, '')
    const [first, second] = await Promise.all([waitForEnd(api, high.instanceId), waitForEnd(api, low.instanceId)])
    expect(first.attempts[0]?.dispatchedAt.localeCompare(second.attempts[0]?.dispatchedAt ?? '')).toBeLessThanOrEqual(0)
    await Promise.all(blockers.map((id) => waitForEnd(api, id)))
  })

  test('of a job with maxConcurrent 1 never overlaps another', async () => {
    const api = await cluster().api()
    const lock = `${cluster().dir}/lock`
    const job = await createJob(api, shellJob(`mkdir "${lock}" || exit 9; sleep 0.1; rmdir "${lock}"`, { maxConcurrent: 1 }))
    const ids = await Promise.all(Array.from({ length: 6 }, () => runJob(api, job.id)))
    const ends = await Promise.all(ids.map((id) => waitForEnd(api, id)))
    expect(ends.map(({ status }) => status)).toEqual(ids.map(() => 'SUCCEEDED'))
  })

  test('asked for twice with one idempotency key is one', async () => {
    const api = await cluster().api()
    const job = await createJob(api, shellJob('echo once'))
    const ids = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        api.at(cluster().server(i % 2).url).post<{ instanceId: string }>(`/api/jobs/${job.id}/runs`, { idempotencyKey: 'order-4711' }),
      ),
    )
    expect(new Set(ids.map(({ instanceId }) => instanceId)).size).toBe(1)
    const { items } = await api.get<{ items: unknown[] }>(`/api/instances?jobId=${job.id}`)
    expect(items).toHaveLength(1)
  })
})

describe('a handler of the SDK', () => {
  test('whatever it prints, by any way, is its own, also when several run at once', async () => {
    const api = await cluster().api()
    const job = await createJob(api, handlerJob('print'))
    const runs = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        const lines = Array.from({ length: 200 }, (__, k) => `run ${i} line ${k}`)
        return { lines, id: await runJob(api, job.id, { params: { lines } }) }
      }),
    )
    for (const { lines, id } of runs) {
      expect(await waitForSealed(api, id)).toMatchObject({ status: 'SUCCEEDED', result: { printed: 200 } })
      expect(await texts(id)).toEqual(lines)
    }
    const { instanceId } = await createAndRun(api, handlerJob('everyWay'))
    const ended = await waitForSealed(api, instanceId)
    expect(ended.attempts).toMatchObject([{ progress: { percent: 50, message: 'half way' } }])
    const { lines } = await logPage(api, instanceId)
    expect(lines.map(({ stream, text }) => `${stream}: ${text}`)).toEqual([
      'stdout: console.log 1',
      'stderr: console.error',
      'stdout: stdout.write in two parts',
      'stderr: stderr.write as bytes',
      expect.stringMatching(/^stdout: .*log\.info/),
      'stdout: from a timer',
      'stdout: no newline at the end.........',
    ])
  })

  test('is told to stop by its signal, and fails by its exception', async () => {
    const api = await cluster().api()
    const { instanceId } = await createAndRun(api, handlerJob('untilAborted'))
    await waitForInstance(api, instanceId, 'has printed', ({ log }) => log.lines > 0)
    await api.post(`/api/instances/${instanceId}/cancel`)
    expect(await waitForEnd(api, instanceId)).toMatchObject({ status: 'CANCELLED' })
    const failing = await createAndRun(api, handlerJob('failing', { params: { succeedAt: 2 }, retry: { maxRetries: 1, backoffMs: 50 } }))
    const end = await waitForEnd(api, failing.instanceId)
    expect(end).toMatchObject({ status: 'SUCCEEDED', attempt: 2, result: { attempt: 2 } })
    expect(end.attempts[0]?.error).toContain('failed on purpose')
  })
})

describe('rights', () => {
  test('a viewer reads and may not run; an operator runs and may not define', async () => {
    const admin = await cluster().api()
    const job = await createJob(admin, shellJob('true'))
    const as = async (role: string): Promise<(method: string, path: string, body?: unknown) => Promise<number>> => {
      const { token } = await admin.post<{ token: string }>('/api/api-tokens', { namespace: 'default', name: `as-${role}`, role })
      return async (method, path, body) => {
        const response = await fetch(new URL(path, cluster().url), {
          method,
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        })
        await response.arrayBuffer()
        return response.status
      }
    }
    const viewer = await as('viewer')
    expect(await viewer('GET', `/api/jobs/${job.id}`)).toBe(200)
    expect(await viewer('POST', `/api/jobs/${job.id}/runs`, {})).toBe(403)
    const operator = await as('operator')
    expect(await operator('POST', `/api/jobs/${job.id}/runs`, {})).toBe(201)
    expect(await operator('POST', '/api/jobs', shellJob('true'))).toBe(403)
    expect(await operator('GET', '/api/audit')).toBe(403)
  })

  test('each change leaves an audit record without secrets', async () => {
    const api = await cluster().api()
    const job = await createJob(api, shellJob('true', { secrets: { TOKEN: 'correct-horse' } }))
    await api.post(`/api/jobs/${job.id}/disable`)
    await api.delete(`/api/jobs/${job.id}`)
    await expect(api.get(`/api/jobs/${job.id}`)).rejects.toBeInstanceOf(ApiError)
    const { items } = await api.get<{ items: { actor: string; action: string; at: string }[] }>(`/api/audit?targetId=${job.id}`)
    expect(items).toHaveLength(3)
    expect(items.every(({ actor }) => actor === 'admin')).toBe(true)
    expect(JSON.stringify(items)).not.toContain('correct-horse')
  })
})
