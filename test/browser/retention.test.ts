import { NamespaceView } from '@jobtrail/api/auth'
import { waitFor } from '@jobtrail/deploy/wait'
import { expect, test } from 'vitest'
import { openPage, useBrowser, watchErrors } from '../support/browser.js'
import { useCluster } from '../support/cluster.js'
import { createAndRun, getInstance, shellJob, uniqueName, waitForSealed } from '../support/factories.js'
import { copyAsOld } from '../support/old-runs.js'

const cluster = useCluster({ servers: 1, workers: 1, balancer: 'none', serverEnv: { JOBTRAIL_RETENTION_SWEEP_MS: '500' } })
const browser = useBrowser()

test('who makes the retention shorter is asked with the name of the namespace, and then the logs of old runs say that they were removed', async () => {
  const api = await cluster().api()
  const name = uniqueName('ns')
  await api.post('/api/namespaces', { name })
  const { instanceId } = await createAndRun(api, shellJob('echo one; echo two'))
  await waitForSealed(api, instanceId)
  const [id = ''] = await copyAsOld(await cluster().database(), instanceId, 1, { namespace: name, madeAgo: 40 })
  const page = await openPage(browser(), { token: api.token ?? '' })
  const errors = watchErrors(page)
  await page.goto(`${cluster().url}/settings/retention?ns=${name}`)
  await page.getByText(`No runs or logs in namespace ${name} are ever removed`).waitFor()
  const save = page.getByRole('button', { name: 'Save' })
  expect(await save.isDisabled()).toBe(true)

  await page.getByLabel('Keep runs for').fill('20')
  await page.getByLabel('Keep logs for').fill('30')
  await save.click()
  await page.getByText('must not be more than runsDays').waitFor()

  await page.getByLabel('Keep runs for').fill('90')
  await page.getByLabel('Keep history of changes for').fill('365')
  await save.click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText(`Remove what is older in namespace ${name}?`).last().waitFor()
  await dialog.getByText('Audit records from before').waitFor()
  await dialog.getByRole('button', { name: 'Cancel' }).click()
  await dialog.waitFor({ state: 'hidden' })
  expect(await api.get('/api/namespaces?limit=100')).toMatchObject({ items: expect.arrayContaining([expect.objectContaining({ name, revision: 1 })]) })

  await save.click()
  await page.getByRole('dialog').getByRole('button', { name: 'Remove what is older' }).click()
  await page.getByText(/^Saved$/).waitFor()
  const { items } = await api.get<{ items: NamespaceView[] }>('/api/namespaces?limit=100')
  expect(items.find((each) => each.name === name)).toMatchObject({ revision: 2, retention: { runsDays: 90, logsDays: 30, auditDays: 365 } })

  await waitFor(async () => (await getInstance(api, id)).log.state === 'expired', { timeoutMs: 60_000, what: 'the old log has expired' })
  await page.goto(`${cluster().url}/instances/${id}?ns=${name}`)
  await page.getByText(`It had 2 lines (8 B), which the retention of namespace ${name} removed`).waitFor()
  await page.getByRole('link', { name: 'How long logs are kept' }).click()
  await page.getByLabel('Keep logs for').waitFor()
  expect(errors).toEqual([])
})
