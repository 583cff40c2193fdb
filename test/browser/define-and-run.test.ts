import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { JobPage, JobView } from '@jobtrail/shared/api/jobs'
import type { Locator } from 'playwright-core'
import { expect, it } from 'vitest'
import { openPage, OTHER_MACHINE, useBrowser, watchErrors } from '../support/browser.js'
import { useCluster } from '../support/cluster.js'
import { LogPanel, signIn } from '../support/console-pages.js'
import { createAndRun, createJob, handlerJob, rawLog, runJob, shellJob, uniqueName, waitForEnd, waitForSealed } from '../support/factories.js'
import { Gate } from '../support/gate.js'

const HANDLERS = fileURLToPath(new URL('../support/handlers.mjs', import.meta.url))
const cluster = useCluster({ servers: 2, workers: 1, workerArgs: ['--handlers', HANDLERS] })
const browser = useBrowser()

it('a job with a cron trigger is defined in the form and run, and its log arrives as it is written', async () => {
  const gate = new Gate(join(cluster().dir, 'gate'))
  const name = uniqueName('nightly')
  const script = `echo "hello $JOBTRAIL_PARAM_WHO"\n${gate.shell(1)}\necho "to stderr" >&2\n${gate.shell(2)}\necho "the end"`
  const page = await openPage(browser())
  const errors = watchErrors(page)
  await signIn(page, cluster().url)
  const typeInto = async (label: string, text: string): Promise<void> => {
    await page.getByRole('textbox', { name: label, exact: true }).click()
    await page.keyboard.press('ControlOrMeta+a')
    await page.keyboard.type(text)
  }

  await page.getByRole('link', { name: 'Jobs', exact: true }).click()
  await page.getByRole('link', { name: 'New job' }).first().click()
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByText('Cron', { exact: true }).click()
  await page.getByLabel('Cron expression').fill('30 4 * * *')
  await page.getByText('At 04:30', { exact: false }).first().waitFor()
  await typeInto('Script', script)
  const fires = page.getByRole('table').getByRole('row').filter({ hasText: ' 04:30' })
  await fires.nth(9).waitFor()
  expect(await fires.count()).toBe(10)
  await page.getByRole('button', { name: /Create/ }).click()
  await page.waitForURL(/\/jobs\/[0-9a-f-]{36}/)
  await page.getByRole('heading', { name, level: 1 }).waitFor()

  const api = await cluster().api()
  const [job] = (await api.get(`/api/jobs?name=${name}`, JobPage)).items
  expect(job).toMatchObject({ name, trigger: { kind: 'cron', expression: '30 4 * * *', timeZone: 'Europe/Berlin' }, processor: { kind: 'shell', script } })
  expect((await api.get(`/api/jobs/${job?.id}`, JobView)).nextFireAt).not.toBeNull()

  await page.getByRole('button', { name: /Run now/ }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('textbox', { name: 'Params' }).waitFor()
  await typeInto('Params', '{"who": "Berlin"}')
  await dialog.getByRole('button', { name: /Run now/ }).click()
  await page.waitForURL(/\/instances\/[0-9a-f-]{36}/)
  const instanceId = /instances\/([0-9a-f-]{36})/.exec(page.url())?.[1] ?? ''
  const log = new LogPanel(page)
  const status = page.getByRole('heading', { name, level: 1 }).locator('..')

  await log.row(0).getByText('hello Berlin').waitFor()
  await status.getByText('Running').waitFor()
  await log.badge('Open').waitFor()
  await log.badge('Live').waitFor()
  expect(await log.rows.count()).toBe(1)

  gate.open()
  await log.row(1).getByText('to stderr').waitFor()
  await log.badge('Live').waitFor()
  expect(await log.rows.count()).toBe(2)

  gate.open()
  await log.row(2).getByText('the end').waitFor()
  await status.getByText('Succeeded').waitFor()
  await log.badge('Complete and verified').waitFor()
  expect(await log.count.textContent()).toBe('3 lines')
  expect((await waitForSealed(api, instanceId)).params).toEqual({ who: 'Berlin' })
  expect((await rawLog(api, instanceId)).toString()).toBe('hello Berlin\nto stderr\nthe end\n')
  expect(errors).toEqual([])
})

it('the page of a run grows with what is on it, and leads to the revision of the job that it ran', async () => {
  const api = await cluster().api()
  const { job, instanceId } = await createAndRun(api, shellJob(`echo '{"a": 1, "b": 2, "c": 3}' > "$JOBTRAIL_RESULT_FILE"`))
  await waitForEnd(api, instanceId)
  await api.patch(`/api/jobs/${job.id}`, { revision: 1, description: 'changed since' })
  const page = await openPage(browser(), { token: api.token ?? '' })
  await page.goto(`${cluster().url}/instances/${instanceId}`)
  await page.getByText('"c": 3').waitFor()
  const bottomOf = async (each: Locator): Promise<number> => {
    const { y = 0, height = 0 } = (await each.boundingBox()) ?? {}
    return y + height
  }
  expect(await bottomOf(page.getByRole('main'))).toBeGreaterThan(await bottomOf(new LogPanel(page).root))
  await page.getByRole('link', { name: 'Revision 1', exact: true }).click()
  const chosen = page.getByRole('row').filter({ has: page.getByRole('radio', { checked: true }) })
  await chosen.getByText('created', { exact: true }).waitFor()
})

it('over plain HTTP from another machine jobs are run, and texts copied', async () => {
  const api = await cluster().api()
  const { id } = await createJob(api, shellJob('true'))
  const page = await openPage(browser(), { token: api.token ?? '' })
  const errors = watchErrors(page)
  const origin = cluster().url.replace(/\d+\.\d+\.\d+\.\d+|localhost/, OTHER_MACHINE)
  // Only a secure page may read what was copied.
  const reader = await page.context().newPage()
  await reader.goto(cluster().url)
  const copied = async (): Promise<string> => {
    await reader.bringToFront()
    const text = await reader.evaluate(() => navigator.clipboard.readText())
    await page.bringToFront()
    return text
  }
  await page.goto(`${origin}/jobs/${id}`)
  expect(await page.evaluate(() => isSecureContext)).toBe(false)
  await page.getByRole('button', { name: /Run now/ }).click()
  await page
    .getByRole('dialog')
    .getByRole('button', { name: /Run now/ })
    .click()
  await page.waitForURL(/\/instances\/[0-9a-f-]{36}/)
  const instanceId = /instances\/([0-9a-f-]{36})/.exec(page.url())?.[1] ?? ''
  const fact = page.locator('.ant-descriptions').getByText(instanceId)
  await fact.getByRole('button', { name: 'Copy' }).click()
  await fact.getByRole('button', { name: 'Copied', exact: true }).waitFor()
  expect(await copied()).toBe(instanceId)

  await page.goto(`${origin}/settings/api-tokens`)
  await page.getByRole('button', { name: 'New token' }).click()
  await page.getByRole('dialog').getByLabel('Name').fill(uniqueName('token'))
  await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click()
  const shown = page.getByRole('dialog')
  const token = (await shown.locator('code').textContent()) ?? ''
  await shown.getByRole('button', { name: 'Copy' }).first().click()
  await shown.getByRole('button', { name: 'Copied', exact: true }).waitFor()
  expect(await copied()).toBe(token)
  expect(errors).toEqual([])
})

it('params that are no JSON are not saved, and say so; Ctrl+S saves what the button would', async () => {
  const api = await cluster().api()
  const { id, name } = await createJob(api, shellJob('true'))
  const page = await openPage(browser(), { token: api.token ?? '' })
  const saves: string[] = []
  page.on('request', (request) => {
    if (request.method() === 'PATCH') saves.push(request.postData() ?? '')
  })
  await page.goto(`${cluster().url}/jobs/${id}`)
  const params = page.getByRole('textbox', { name: 'Params as JSON', exact: true })
  const save = page.getByRole('button', { name: /Save/ })
  const type = async (text: string): Promise<void> => {
    await params.click()
    await page.keyboard.press('ControlOrMeta+a')
    await page.keyboard.insertText(text)
  }
  await params.waitFor()
  await page.keyboard.press('ControlOrMeta+s')
  await type('{"who": ')
  await page.getByText('Unsaved', { exact: false }).first().waitFor()
  await page.keyboard.press('ControlOrMeta+s')
  await page.getByRole('alert').getByText('Not JSON yet').waitFor()
  await save.click()
  expect(saves).toEqual([])

  await type('{"who": "me"}')
  await page.getByText('Not JSON yet').waitFor({ state: 'detached' })
  await page.getByRole('button', { name: /Run now/ }).click()
  await page.getByRole('dialog').waitFor()
  await page.keyboard.press('ControlOrMeta+s')
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'hidden' })
  expect(saves).toEqual([])
  await page.keyboard.press('ControlOrMeta+s')
  await page.getByText(`${name} is saved`, { exact: false }).or(page.getByText('Revision 2')).first().waitFor()
  expect(saves).toEqual([JSON.stringify({ revision: 1, params: { who: 'me' } })])
})

it('what is typed while a job is being saved stays, and is saved by the next save', async () => {
  const api = await cluster().api()
  const { id } = await createJob(api, shellJob('true'))
  const page = await openPage(browser(), { token: api.token ?? '' })
  const held = new Set<() => void>()
  await page.route(`**/api/jobs/${id}`, async (route) => {
    if (route.request().method() === 'PATCH') await new Promise<void>((resolve) => held.add(resolve))
    await route.continue()
  })
  await page.goto(`${cluster().url}/jobs/${id}`)
  const description = page.getByRole('textbox', { name: 'Description' })
  await description.fill('first')
  await page.keyboard.press('ControlOrMeta+s')
  await expect.poll(() => held.size).toBe(1)
  await description.press('End')
  await page.keyboard.type(' and second')
  for (const release of held) release()
  await page.getByText('Revision 2').first().waitFor()
  expect(await description.inputValue()).toBe('first and second')
  await page.getByText('Unsaved', { exact: false }).first().waitFor()
  expect((await api.get(`/api/jobs/${id}`, JobView)).description).toBe('first')
  await page.keyboard.press('ControlOrMeta+s')
  await expect.poll(() => held.size).toBe(2)
  for (const release of held) release()
  await page.getByText('Revision 3').first().waitFor()
  expect((await api.get(`/api/jobs/${id}`, JobView)).description).toBe('first and second')
})

it('what is below an editor stays where it is when the editor has been loaded', async () => {
  const api = await cluster().api()
  const params = Object.fromEntries(Array.from({ length: 8 }, (_unused, index) => [`name${index}`, index]))
  const { name } = await createJob(api, shellJob('true', { params }))
  // Without the animation that a dialog opens with, which moves its buttons too.
  const page = await openPage(browser(), { token: api.token ?? '', isStill: true })
  const held = new Set<() => void>()
  await page.route('**/assets/code-mirror-*.js', async (route) => {
    await new Promise<void>((resolve) => held.add(resolve))
    await route.continue()
  })
  await page.goto(`${cluster().url}/jobs?name=${name}`)
  await page.getByRole('row').filter({ hasText: name }).getByRole('button', { name: /Run/ }).click()
  const run = page.getByRole('dialog').getByRole('button', { name: /Run now/ })
  await expect.poll(() => held.size).toBe(1)
  await run.click({ trial: true })
  const before = await run.boundingBox()
  for (const release of held) release()
  await page.getByRole('dialog').getByRole('textbox', { name: 'Params' }).waitFor()
  const after = await run.boundingBox()
  expect(Math.abs((after?.y ?? Number.NaN) - (before?.y ?? Number.NaN))).toBeLessThan(2)
})

it('a link to a revision leads to it, however many are newer', async () => {
  const api = await cluster().api()
  const { id } = await createJob(api, shellJob('true', { description: 'text 1' }))
  const last = 40
  for (let revision = 1; revision < last; revision += 1) await api.patch(`/api/jobs/${id}`, { revision, description: `text ${revision + 1}` })
  const page = await openPage(browser(), { token: api.token ?? '' })
  await page.goto(`${cluster().url}/jobs/${id}/revisions?rev=5`)
  await page.getByRole('heading', { name: 'From revision 4 to 5' }).waitFor()
  await page.getByText('"text 4"').first().waitFor()
  const chosen = page.getByRole('row').filter({ has: page.getByRole('radio', { checked: true }) })
  await chosen.getByText('description', { exact: true }).waitFor()
  await page.goto(`${cluster().url}/jobs/${id}/revisions?rev=${last}&with=2`)
  await page.getByRole('heading', { name: `From revision 2 to ${last}` }).waitFor()
  await page.goto(`${cluster().url}/jobs/${id}/revisions?rev=${last + 1}`)
  await page.getByText('It is not here').waitFor()
})

it('the page of a run shows how far it has come, and later what went wrong with its first attempt', async () => {
  const api = await cluster().api()
  const gate = join(cluster().dir, 'parts')
  const { instanceId } = await createAndRun(api, handlerJob('inParts', { params: { gate }, retry: { maxRetries: 1, backoffMs: 100 } }))
  const page = await openPage(browser(), { token: api.token ?? '' })
  await page.goto(`${cluster().url}/instances/${instanceId}`)
  const progress = (attempt: number): Locator => page.getByRole('progressbar', { name: `Progress of attempt ${attempt}` })
  await progress(1).waitFor()
  expect(await progress(1).getAttribute('aria-valuenow')).toBe('25')
  await page.getByText('part 1 of 2').waitFor()
  await writeFile(`${gate}-1`, '')
  await progress(2).waitFor()
  await page.getByText('part 2 of 2').waitFor()
  await writeFile(`${gate}-2`, '')
  await waitForEnd(api, instanceId)
  await progress(2).waitFor({ state: 'detached' })
  expect(await page.getByText('failed on purpose').count()).toBe(0)
  await page.getByRole('group', { name: 'Attempt whose log is shown' }).getByRole('button').filter({ hasText: 'Attempt 1: Failed' }).click()
  await page
    .getByRole('alert')
    .getByText(/Attempt 1: .*the first part failed on purpose/)
    .waitFor()
})

it('a job is set in the form to run after another one, and its run leads to the run that it follows', async () => {
  const api = await cluster().api()
  const upstream = await createJob(api, handlerJob('noop', { name: uniqueName('load') }))
  const name = uniqueName('report')
  const page = await openPage(browser(), { token: api.token ?? '' })
  const errors = watchErrors(page)
  await page.goto(`${cluster().url}/jobs/new`)
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByText('After a job', { exact: true }).click()
  await page.getByRole('button', { name: /Create/ }).click()
  await page.getByText('Choose a job.').waitFor()
  await page.getByRole('combobox', { name: 'After which job' }).fill(upstream.name)
  await page.getByTitle(upstream.name, { exact: true }).click()
  await page.getByRole('combobox', { name: 'When its run' }).click()
  await page.getByTitle('has ended in any way, cancelled included').click()
  await page.getByText('It has no times of its own', { exact: false }).waitFor()
  await page.getByRole('button', { name: /Create/ }).click()
  await page.waitForURL(/\/jobs\/[0-9a-f-]{36}/)
  const [job] = (await api.get(`/api/jobs?name=${name}`, JobPage)).items
  expect(job).toMatchObject({ trigger: { kind: 'after', job: upstream.id, on: 'any' } })

  const upstreamRun = await runJob(api, upstream.id)
  await page.goto(`${cluster().url}/instances?job=${job?.id}`)
  await page.getByRole('link', { name: `After ${upstream.name}` }).waitFor()
  await page.getByRole('link', { name: new RegExp(`Run of ${name}`) }).click()
  await page.getByRole('link', { name: `After a run of ${upstream.name}` }).click()
  await page.waitForURL(`**/instances/${upstreamRun}`)
  await page.goto(`${cluster().url}/jobs?search=${name}`)
  await page.getByText('After each run of').waitFor()
  await page.getByRole('link', { name: upstream.name }).waitFor()
  expect(errors).toEqual([])
})

it('jobs that run after each other are imported together, in whatever order the file has them', async () => {
  const api = await cluster().api()
  const [first, second] = [uniqueName('first'), uniqueName('second')]
  const id = '0193c6a0-0000-7000-8000-00000000000a'
  const jobs = [handlerJob('noop', { name: second, trigger: { kind: 'after', job: id, on: 'failure' } }), { id, ...handlerJob('noop', { name: first }) }]
  const page = await openPage(browser(), { token: api.token ?? '' })
  await page.goto(`${cluster().url}/jobs`)
  await page.getByRole('button', { name: 'Import' }).click()
  const file = { name: 'jobs.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify({ jobtrail: 'jobs', version: 1, jobs })) }
  await page.getByRole('dialog').locator('input[type=file]').setInputFiles(file)
  await page.getByRole('button', { name: 'Create 2 jobs' }).click()
  await page.getByText('Created', { exact: true }).nth(1).waitFor()
  const [made] = (await api.get(`/api/jobs?name=${first}`, JobPage)).items
  expect((await api.get(`/api/jobs?name=${second}`, JobPage)).items).toMatchObject([{ trigger: { kind: 'after', job: made?.id, on: 'failure' } }])
})
