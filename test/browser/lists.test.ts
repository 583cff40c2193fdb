import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { WorkerTokenCreated } from '@jobtrail/api/auth'
import { WorkerPage } from '@jobtrail/api/cluster'
import { RunsCreated } from '@jobtrail/api/jobs'
import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { openPage, useBrowser, watchErrors } from '../support/browser.js'
import { useCluster } from '../support/cluster.js'
import { createAndRun, createJob, runJob, shellJob, uniqueName, waitForEnd, waitForInstance } from '../support/factories.js'
import { ProtocolWorker } from '../support/protocol-worker.js'

const MANY = 400
/** What the live list grows to. */
const MOST_LIVE = 250

const PHONE = { width: 390, height: 844 }

const cluster = useCluster({ servers: 2, workers: 2 })
const browser = useBrowser()

const open = async (path: string): Promise<Page> => {
  const page = await openPage(browser(), { token: (await cluster().api()).token ?? '' })
  await page.goto(`${cluster().url}${path}`)
  return page
}
/** Rows of runs, without the head. */
const rowsOf = (page: Page) => page.locator('tr[data-row-key]')

it('runs are found by the text of their result, and by worker; the URL shows the same to others', async () => {
  const api = await cluster().api()
  const write = (text: string): string => `echo '{"invoice":"${text}"}' > "$JOBTRAIL_RESULT_FILE"`
  const wanted = await createAndRun(api, shellJob(write('INV-2041')))
  const other = await createAndRun(api, shellJob(write('INV-2042')))
  const { attempts } = await waitForEnd(api, wanted.instanceId)
  await waitForEnd(api, other.instanceId)
  const page = await open('/instances')
  const errors = watchErrors(page)
  await page.getByRole('link', { name: wanted.job.name }).waitFor()
  await page.getByRole('textbox', { name: 'Text of result or error' }).fill('inv-2041')
  await rowsOf(page).filter({ hasText: other.job.name }).waitFor({ state: 'detached' })
  await page.getByRole('link', { name: wanted.job.name }).waitFor()
  expect(new URL(page.url()).searchParams.get('text')).toBe('inv-2041')

  const { items } = await api.get('/api/workers', WorkerPage)
  const ran = items.find(({ id }) => id === attempts[0]?.workerId)
  const idle = items.find(({ id }) => id !== ran?.id)
  await page.getByRole('combobox', { name: 'Worker' }).click()
  await page.getByTitle(idle?.name ?? '', { exact: true }).click()
  await page.getByText('No run matches').waitFor()
  const link = page.url()
  const colleague = await open(link.slice(cluster().url.length))
  await colleague.getByText('No run matches').waitFor()
  await colleague.getByRole('combobox', { name: 'Worker' }).click()
  await colleague.getByTitle(ran?.name ?? '', { exact: true }).click()
  await colleague.getByRole('link', { name: wanted.job.name }).waitFor()
  expect(await rowsOf(colleague).count()).toBe(1)
  expect(errors).toEqual([])
})

it('the Workers page says of a worker that was turned away why', async () => {
  const api = await cluster().api()
  const token = await api.post('/api/worker-tokens', { namespace: 'default', name: uniqueName('token') }, WorkerTokenCreated)
  const worker = new ProtocolWorker(token.token, uniqueName('turned-away'))
  await worker.connect(cluster().url)
  await api.delete(`/api/worker-tokens/${token.id}`)
  await expect(worker.connect(cluster().url)).rejects.toThrow('revoked')
  const page = await open('/workers')
  const errors = watchErrors(page)
  await rowsOf(page)
    .filter({ hasText: worker.tag })
    .getByText(/^Turned away: .*revoked/)
    .waitFor()
  expect(await page.getByText('Turned away').count()).toBe(1)
  expect(errors).toEqual([])
})

it('new runs wait to be shown while somebody is at a row, and older ones have pages of their own', async () => {
  const api = await cluster().api()
  const { id, name } = await createJob(api, shellJob('true'))
  const body = { runs: Array.from({ length: MANY }, (_unused, index) => ({ params: { index } })) }
  const { instanceIds } = await api.post(`/api/jobs/${id}/runs/bulk`, body, RunsCreated)
  await Promise.all([instanceIds[0], instanceIds.at(-1)].map((instanceId) => waitForEnd(api, instanceId ?? '')))
  const page = await open(`/instances?job=${id}`)
  await rowsOf(page).nth(49).waitFor()
  const first = (await rowsOf(page).first().getAttribute('data-row-key')) ?? ''
  await rowsOf(page).first().hover()
  const added = await runJob(api, id)
  await page.getByRole('button', { name: /1 new/ }).waitFor()
  expect(await rowsOf(page).first().getAttribute('data-row-key')).toBe(first)
  await page.getByRole('button', { name: /1 new/ }).click()
  await page.locator(`tr[data-row-key="${added}"]`).waitFor()

  const seen = new Set<string>()
  const collect = async (): Promise<void> => {
    for (const key of await rowsOf(page).evaluateAll((rows) => rows.map((row) => row.getAttribute('data-row-key') ?? ''))) seen.add(key)
  }
  for (let count = 150; count <= MOST_LIVE; count += 100) {
    await page.getByRole('button', { name: 'Load more' }).click()
    await rowsOf(page)
      .nth(count - 1)
      .waitFor()
  }
  await collect()
  for (const size of [100, MANY + 1 - MOST_LIVE - 100]) {
    const last = (await rowsOf(page).last().getAttribute('data-row-key')) ?? ''
    await page.getByRole('button', { name: 'Older runs' }).click()
    await page.locator(`tr[data-row-key="${last}"]`).waitFor({ state: 'detached' })
    await rowsOf(page)
      .nth(size - 1)
      .waitFor()
    await collect()
  }
  expect(seen).toEqual(new Set([...instanceIds, added]))
  await page.getByText('There are no older ones.').waitFor()
  await page.goBack()
  await rowsOf(page).nth(99).waitFor()
  await page.getByRole('button', { name: 'Newest runs' }).click()
  await page.locator(`tr[data-row-key="${added}"]`).waitFor()
  await page.getByRole('link', { name }).first().waitFor()
})

it('many runs are cancelled at once, with progress', async () => {
  const api = await cluster().api()
  const { id } = await createJob(api, shellJob('sleep 600'))
  const { instanceIds } = await api.post(`/api/jobs/${id}/runs/bulk`, { runs: Array.from({ length: 20 }, () => ({})) }, RunsCreated)
  const page = await open(`/instances?job=${id}`)
  await rowsOf(page).nth(19).waitFor()
  await page.getByRole('checkbox', { name: 'Select all' }).check()
  await page.getByRole('button', { name: 'Cancel 20 runs' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: 'Cancel 20 runs' }).click()
  await dialog.getByRole('progressbar').waitFor()
  await Promise.all(instanceIds.map((instanceId) => waitForInstance(api, instanceId, 'is cancelled', ({ status }) => status === 'CANCELLED')))
})

it('a worker is drained from the page and taken back, and a run that waits for it says so', async () => {
  const api = await cluster().api()
  const page = await open('/workers')
  for (const worker of ['worker-0', 'worker-1']) {
    const row = page.getByRole('row').filter({ hasText: worker })
    await row.getByRole('button', { name: /^Drain/ }).click()
    const dialog = page.getByRole('dialog').filter({ hasText: worker, visible: true })
    await dialog.getByRole('button', { name: /Drain/ }).click()
    await row.getByText('Draining').waitFor()
    await dialog.waitFor({ state: 'hidden' })
  }
  const { instanceId } = await createAndRun(api, shellJob('true'))
  const run = await open(`/instances/${instanceId}`)
  await run
    .getByText(/draining/i)
    .first()
    .waitFor()
  await page
    .getByRole('row')
    .filter({ hasText: 'worker-1' })
    .getByRole('button', { name: /Undrain|Take back/ })
    .click()
  expect((await waitForEnd(api, instanceId)).status).toBe('SUCCEEDED')
})

it('the line that the page shows installs a worker and connects it, in the group that was asked for', async () => {
  const api = await cluster().api()
  const page = await openPage(browser(), { token: api.token ?? '', viewport: PHONE })
  const errors = watchErrors(page)
  await page.goto(`${cluster().url}/workers`)
  const opener = page.getByRole('button', { name: 'Add a worker' })
  await opener.press('Enter')
  const dialog = page.getByRole('dialog', { name: 'Add a worker' })
  const line = dialog.locator('code')
  const group = dialog.getByRole('textbox', { name: 'Group' })
  await group.fill('two words')
  await dialog.getByText('Letters, digits, dot').waitFor()
  await line.waitFor({ state: 'detached' })
  await group.fill('copied')
  await dialog.getByRole('radio', { name: 'With npm' }).press('ArrowRight')
  await line.filter({ hasText: `curl -fsSL ${cluster().url}/downloads/jobtrail-worker.tgz | tar xz && ` }).waitFor()
  await page.keyboard.press('ArrowRight')
  await line.filter({ hasText: 'jobtrail-worker --install ' }).waitFor()
  await page.keyboard.press('ArrowRight')
  await dialog.getByRole('button', { name: 'Copy' }).press('Enter')
  await dialog.getByRole('button', { name: 'Copied' }).waitFor()
  const copied = await page.evaluate(() => navigator.clipboard.readText())
  expect(await line.textContent()).toBe(copied)
  expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0)
  expect(await dialog.getByRole('link', { name: 'Make a worker token' }).getAttribute('href')).toContain('/settings/worker-tokens')
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  expect(await opener.evaluate((element) => element === document.activeElement)).toBe(true)

  const empty = join(cluster().dir, 'empty')
  await mkdir(empty)
  const prefix = join(empty, 'installed')
  const env = { PATH: `${prefix}/bin:${process.env['PATH'] ?? ''}`, HOME: empty, npm_config_prefix: prefix }
  const shell = spawn('sh', ['-c', copied.replace('…', await cluster().createWorkerToken())], {
    cwd: empty,
    env,
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  shell.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()))
  // When the worker, too, has let go of the pipe.
  const ended = new Promise((resolve) => shell.once('close', resolve))
  try {
    const { instanceId } = await createAndRun(api, shellJob('echo installed', { routing: { group: 'copied' } }))
    expect(await waitForEnd(api, instanceId), said).toMatchObject({ status: 'SUCCEEDED' })
  } finally {
    if (shell.pid !== undefined) process.kill(-shell.pid, 'SIGTERM')
    await ended
  }
  expect(errors).toEqual([])
})

it('times are chosen in the time zone that they are shown in, and a link says which that is', async () => {
  const page = await open('/instances?tz=utc&range=custom&from=2026-11-20T07:30:00.000Z')
  const from = page.locator('.ant-picker-range input').first()
  const choose = async (name: RegExp): Promise<void> => {
    await page.getByRole('button', { name: 'Time zone of times' }).click()
    await page.getByRole('menuitem', { name }).click()
  }
  const param = (name: string): string | null => new URL(page.url()).searchParams.get(name)
  await from.waitFor()
  await page.waitForFunction(() => document.querySelector<HTMLInputElement>('.ant-picker-range input')?.value === '2026-11-20 07:30')
  await page.locator('.ant-picker-range').getByText('UTC').waitFor()
  await from.fill('2026-11-20 09:00')
  await from.press('Enter')
  const to = page.locator('.ant-picker-range input').nth(1)
  await to.fill('2026-11-20 12:00')
  await to.press('Enter')
  await page.waitForURL(/from=2026-11-20T09%3A00/)
  expect(param('to')).toBe('2026-11-20T12:00:00.000Z')

  await choose(/Europe\/Berlin/)
  await page.waitForFunction(() => document.querySelector<HTMLInputElement>('.ant-picker-range input')?.value === '2026-11-20 10:00')
  await page.locator('.ant-picker-range').getByText('Europe/Berlin').waitFor()
  await page.waitForFunction(() => !location.search.includes('tz='))
  expect(param('from')).toBe('2026-11-20T09:00:00.000Z')

  await choose(/^UTC$/)
  await page.waitForURL(/tz=utc/)
  await page.getByRole('link', { name: 'Jobs', exact: true }).click()
  await page.getByRole('heading', { name: 'Jobs', level: 1 }).waitFor()
  await page.waitForURL(/tz=utc/)
})

it('the overview raises no alarm while it does not know', async () => {
  const page = await openPage(browser(), { token: (await cluster().api()).token ?? '' })
  let answers: 'never' | 'badly' | 'well' = 'never'
  await page.route(/\/api\/workers\?/, async (route) => {
    if (answers === 'badly') await route.fulfill({ status: 500, body: '{}' })
    if (answers === 'well') await route.continue()
  })
  await page.goto(cluster().url)
  await page.getByText('Asking…').first().waitFor()
  await page.getByText('2 servers are up').waitFor()
  expect(await page.getByText('No worker is connected').count()).toBe(0)
  answers = 'badly'
  await page.reload()
  await page.getByText('Not known: there was no answer.').first().waitFor()
  expect(await page.getByText('No worker is connected').count()).toBe(0)
  answers = 'well'
  await page.getByText('2 workers are connected').waitFor()
})
