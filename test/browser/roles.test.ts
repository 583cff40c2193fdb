import { ApiClient } from '@jobtrail/deploy/api-client'
import { InstancePage } from '@jobtrail/api/instances'
import type { Page } from 'playwright-core'
import { beforeAll, expect, it } from 'vitest'
import { openPage, useBrowser, watchErrors } from '../support/browser.js'
import { useCluster } from '../support/cluster.js'
import { LogPanel } from '../support/console-pages.js'
import { createAndRun, createJob, shellJob, waitForEnd, waitForInstance, waitForSealed } from '../support/factories.js'

const PASSWORD = 'a-long-enough-password'
/** What changes something, by the words of the English console. */
const CHANGING = /run now|run again|new |import|save|create|cancel run|retry|delete|remove|drain|restore|revoke|enable|disable|edit|clone/i

const cluster = useCluster({ servers: 2, workers: 1 })
const browser = useBrowser()
let jobId: string
let endedId: string
let runningId: string

beforeAll(async () => {
  const api = await cluster().api()
  const ended = await createAndRun(api, shellJob('echo read me', { name: 'reading' }))
  const running = await createAndRun(api, shellJob('echo begun; sleep 600', { name: 'lasting' }))
  await waitForSealed(api, ended.instanceId)
  jobId = ended.job.id
  endedId = ended.instanceId
  runningId = running.instanceId
  for (const role of ['viewer', 'operator']) await api.post('/api/users', { username: `the-${role}`, password: PASSWORD, grants: { default: role } })
})

async function pageOf(role: 'viewer' | 'operator'): Promise<{ page: Page; changes: string[]; errors: string[] }> {
  const { token = '' } = await ApiClient.login(cluster().url, `the-${role}`, PASSWORD)
  const page = await openPage(browser(), { token })
  const changes: string[] = []
  page.on('request', (request) => {
    if (request.url().includes('/api/') && request.method() !== 'GET') changes.push(`${request.method()} ${request.url()}`)
  })
  return { page, changes, errors: watchErrors(page) }
}

/** The names of everything that can be pressed in the page's main part. */
async function offered(page: Page): Promise<string[]> {
  await page.waitForLoadState('networkidle')
  const controls = page.locator('main, #main').locator('button, [role=switch], [role=menuitem], [role=checkbox], input[type=checkbox]')
  return controls.evaluateAll((all) =>
    all
      .filter((each) => each.checkVisibility() && !each.hasAttribute('disabled'))
      .map((each) => `${each.getAttribute('aria-label') ?? ''} ${each.textContent ?? ''}`.trim() || each.getAttribute('type') || each.outerHTML.slice(0, 80)),
  )
}

it('a viewer reads everything, and is offered nothing that changes it', async () => {
  const { page, changes, errors } = await pageOf('viewer')
  const visit = async (path: string, heading: string): Promise<string[]> => {
    await page.goto(`${cluster().url}${path}`)
    await page.getByRole('heading', { name: heading, level: 1 }).waitFor()
    return offered(page)
  }
  for (const [path, heading] of [
    ['/', 'Overview'],
    ['/jobs', 'Jobs'],
    [`/jobs/${jobId}`, 'reading'],
    [`/jobs/${jobId}/revisions`, 'Revisions of reading'],
    ['/instances', 'Runs'],
    [`/instances/${endedId}`, 'reading'],
    [`/instances/${runningId}`, 'lasting'],
    ['/workers', 'Workers'],
  ] as const) {
    const names = await visit(path, heading)
    expect({ path, changing: names.filter((name) => CHANGING.test(name) || name === 'checkbox') }).toEqual({ path, changing: [] })
  }
  await page.goto(`${cluster().url}/instances/${endedId}`)
  await new LogPanel(page).row(0).getByText('read me').waitFor()
  expect(changes).toEqual([])
  expect(errors).toEqual([])
})

it.each(['/jobs/new', '/settings/users', '/settings/api-tokens', '/settings/retention', '/settings/audit'])(
  'a viewer who is sent a link to %s is told whom to ask',
  async (path) => {
    const { page, changes } = await pageOf('viewer')
    await page.goto(`${cluster().url}${path}`)
    await page.getByText('Your role does not allow this').waitFor()
    expect((await offered(page)).filter((name) => CHANGING.test(name))).toEqual([])
    expect(changes).toEqual([])
  },
)

it('an operator runs, cancels and retries, and defines nothing', async () => {
  const { page } = await pageOf('operator')
  await page.goto(`${cluster().url}/jobs`)
  await page.getByRole('link', { name: 'reading' }).waitFor()
  expect(await page.getByRole('link', { name: /New job/ }).count()).toBe(0)
  await page.getByRole('row').filter({ hasText: 'reading' }).getByRole('button', { name: /Run/ }).click()
  await page
    .getByRole('dialog')
    .getByRole('button', { name: /Run now/ })
    .click()
  await page.waitForURL(/\/instances\/[0-9a-f-]{36}/)
  const api = await cluster().api()
  await waitForEnd(api, /instances\/([0-9a-f-]{36})/.exec(page.url())?.[1] ?? '')

  const { id } = await createJob(api, shellJob('echo begun; sleep 600', { name: 'to-cancel' }))
  await page.goto(`${cluster().url}/jobs/${id}`)
  expect(await page.getByRole('button', { name: /Save/ }).count()).toBe(0)
  await page.getByRole('button', { name: /Run now/ }).click()
  await page
    .getByRole('dialog')
    .getByRole('button', { name: /Run now/ })
    .click()
  await page.waitForURL(/\/instances\/[0-9a-f-]{36}/)
  await new LogPanel(page).row(0).getByText('begun').waitFor()
  await page.getByRole('button', { name: /Cancel run/ }).click()
  const question = page.getByRole('dialog')
  await question.getByText('Cancel this run of to-cancel?').filter({ visible: true }).first().waitFor()
  await question.getByRole('button', { name: 'Cancel the run' }).click()
  await page.getByText('Cancelled').first().waitFor()
  await page.getByRole('button', { name: /Retry/ }).click()
  const { items } = await api.get(`/api/instances?jobId=${id}`, InstancePage)
  expect(items.length).toBe(1)
  const instanceId = items[0]?.id ?? ''
  await waitForInstance(api, instanceId, 'runs again', ({ status, attempts }) => status === 'RUNNING' && attempts.length === 2)
  await api.post(`/api/instances/${instanceId}/cancel`, {})
})
