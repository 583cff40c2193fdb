import type { ApiClient } from '@jobtrail/deploy/api-client'
import { WorkerPage } from '@jobtrail/api/cluster'
import { InstancePage } from '@jobtrail/api/instances'
import { JobPage } from '@jobtrail/api/jobs'
import { beforeAll, describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createAndRun, createJob, getInstance, runJob, shellJob, uniqueName, waitForEnd } from '../support/factories.js'

const cluster = useCluster({ servers: 2, workers: 2, workerArgs: (index) => ['--tags', `worker-${index}`] })

let api: ApiClient
beforeAll(async () => {
  api = await cluster().api()
})

/** All pages of a list, from one server and the other in turn, and the number of calls. */
async function all(query: string, limit = 1_000): Promise<{ ids: string[]; calls: number }> {
  const ids: string[] = []
  let cursor = ''
  for (let calls = 1; ; calls++) {
    const base = cluster().server(calls % 2).url
    const page = await (await cluster().api(base)).get(`/api/instances?limit=${limit}&${query}${cursor}`, InstancePage)
    ids.push(...page.items.map(({ id }) => id))
    if (page.next === null) return { ids, calls }
    cursor = `&cursor=${page.next}`
  }
}

describe('runs are found', () => {
  test('by the worker that was given an attempt, also a former one', async () => {
    const workers = (await api.get('/api/workers', WorkerPage)).items
    const idOf = (name: string): string => workers.find((worker) => worker.name === name)?.id ?? ''
    const on = (index: number, script = 'true') =>
      createAndRun(api, shellJob(script, { routing: { tags: [`worker-${index}`] }, retry: { maxRetries: 1, backoffMs: 10 } }))
    const first = await on(0)
    const second = await on(1)
    const retried = await on(0, '[ "$JOBTRAIL_ATTEMPT_NUMBER" = 2 ]')
    await Promise.all([first, second, retried].map(({ instanceId }) => waitForEnd(api, instanceId)))
    expect(await getInstance(api, retried.instanceId)).toMatchObject({ attempt: 2 })
    expect((await all(`workerId=${idOf('worker-0')}`)).ids).toEqual([retried.instanceId, first.instanceId])
    expect((await all(`workerId=${idOf('worker-0')}`, 1)).ids).toEqual([retried.instanceId, first.instanceId])
    expect((await all(`workerId=${idOf('worker-1')}`)).ids).toEqual([second.instanceId])
    expect((await all(`workerId=${idOf('worker-0')}&jobId=${second.job.id}`)).ids).toEqual([])
    expect((await all(`workerId=${crypto.randomUUID()}`)).ids).toEqual([])
  })

  test('by text of their result or error, with the other filters', async () => {
    const word = uniqueName('Needle')
    const result = (json: string): string => `printf '%s' '${json}' > "$JOBTRAIL_RESULT_FILE"`
    const object = await createAndRun(api, shellJob(result(`{"files":[{"name":"${word}"}]}`)))
    const text = await createAndRun(api, shellJob(result(`"about ${word}.*"`)))
    const failed = await createAndRun(api, shellJob(`${result(`"${word}"`)}; exit 7`))
    const other = await createAndRun(api, shellJob(result('{"files":[]}')))
    await Promise.all([object, text, failed, other].map(({ instanceId }) => waitForEnd(api, instanceId)))
    const found = async (query: string): Promise<string[]> => (await all(query)).ids
    expect(await found(`text=${word.toLowerCase()}&status=SUCCEEDED`)).toEqual([text.instanceId, object.instanceId])
    expect(await found(`text=${encodeURIComponent(`"name":"${word}"`)}`)).toEqual([object.instanceId])
    expect(await found(`text=${encodeURIComponent(`${word}.*`)}`)).toEqual([text.instanceId])
    const { error } = await getInstance(api, failed.instanceId)
    expect(await found(`text=${encodeURIComponent(error ?? 'none')}&jobId=${failed.job.id}`)).toEqual([failed.instanceId])
    await expect(api.get('/api/instances?text=')).rejects.toMatchObject({ status: 400 })
    await expect(api.get('/api/instances?workerId=x')).rejects.toMatchObject({ status: 400 })
  })

  test('far back by calls that each look at so many, and say how far', async () => {
    const job = await createJob(api, shellJob('true', { routing: { tags: ['nowhere'] } }))
    const oldest = await runJob(api, job.id)
    await api.post(`/api/instances/${oldest}/cancel`)
    const database = await cluster().database()
    await database.collection<{ _id: string }>('instances').updateOne({ _id: oldest }, { $set: { result: 'far back' } })
    for (let i = 0; i < 6; i++) await api.post(`/api/jobs/${job.id}/runs/bulk`, { runs: Array.from({ length: 1_000 }, () => ({})) })
    const page = await api.get(`/api/instances?jobId=${job.id}&text=far+back`, InstancePage)
    expect(page).toMatchObject({ items: [], next: expect.any(String), searchedTo: expect.any(String) })
    expect(Date.parse(page.searchedTo ?? '')).toBeGreaterThanOrEqual(Date.parse((await getInstance(api, oldest)).createdAt))
    const { ids, calls } = await all(`jobId=${job.id}&text=far+back`)
    expect(ids).toEqual([oldest])
    expect(calls).toBeGreaterThan(1)
    await api.delete(`/api/jobs/${job.id}`)
  })
})

test('jobs are found by how their last run ended, page by page', async () => {
  const prefix = uniqueName('result')
  const made = await Promise.all(
    ['a', 'b', 'c', 'd', 'e'].map(async (letter, i) => {
      const { job, instanceId } = await createAndRun(api, shellJob(i % 2 === 0 ? 'exit 3' : 'true', { name: `${prefix}-${letter}` }))
      await waitForEnd(api, instanceId)
      return job
    }),
  )
  await createJob(api, shellJob('true', { name: `${prefix}-f` }))
  // One that waits now is of no account: the last that has ended is.
  await runJob(api, made[0]?.id ?? '', { delayMs: 600_000 })
  const pages = async (query: string): Promise<string[][]> => {
    const names: string[][] = []
    let cursor = ''
    for (;;) {
      const page = await api.get(`/api/jobs?search=${prefix}&${query}${cursor}`, JobPage)
      names.push(page.items.map(({ name }) => name.slice(-1)))
      if (page.next === null) return names
      cursor = `&cursor=${page.next}`
    }
  }
  expect((await pages('lastResult=FAILED')).flat()).toEqual(['a', 'c', 'e'])
  expect(await pages('lastResult=FAILED&limit=2')).toEqual([['a', 'c'], ['e']])
  expect((await pages('lastResult=SUCCEEDED&limit=1')).flat()).toEqual(['b', 'd'])
  expect((await pages('lastResult=TIMED_OUT')).flat()).toEqual([])
  await expect(api.get('/api/jobs?lastResult=RUNNING')).rejects.toMatchObject({ status: 400 })
  await expect(api.get('/api/jobs?lastResult=FAILED&cursor=x')).rejects.toMatchObject({ status: 400, code: 'BAD_CURSOR' })
})
