import { expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createAndRun, rawLog, shellJob, waitForSealed } from '../support/factories.js'

const cluster = useCluster({ servers: 2, workers: 1 })

test('a job runs, and every server gives the same log', async () => {
  const api = await cluster().api()
  const { instanceId } = await createAndRun(api, shellJob('printf "one\\ntwo\\n"'))
  const instance = await waitForSealed(api, instanceId)
  expect(instance.status).toBe('SUCCEEDED')
  for (const base of [cluster().url, cluster().server(0).url, cluster().server(1).url]) {
    expect((await rawLog(api.at(base), instanceId)).toString()).toBe('one\ntwo\n')
  }
})

test('a job runs while a server is away, and the server comes back', async () => {
  const api = await cluster().api()
  await cluster().server(0).kill()
  const { instanceId } = await createAndRun(api, shellJob('echo still here'))
  await waitForSealed(api, instanceId)
  await cluster().server(0).start()
  expect((await rawLog(api.at(cluster().server(0).url), instanceId)).toString()).toBe('still here\n')
})

test('a worker that was killed comes back under its name', async () => {
  await cluster().worker(0).kill()
  cluster().worker(0).start()
  const api = await cluster().api()
  const { instanceId } = await createAndRun(api, shellJob('echo back'))
  await waitForSealed(api, instanceId)
})
