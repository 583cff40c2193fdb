import { fileURLToPath } from 'node:url'
import { WorkerPage } from '@jobtrail/api/cluster'
import type { JobView } from '@jobtrail/api/jobs'
import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { ATTACKS, elementsOfAttacks, type Harm, OVERRIDE, UNHARMED, watchHarm } from '../support/attacks.js'
import { openPage, useBrowser } from '../support/browser.js'
import { useCluster } from '../support/cluster.js'
import { LogPanel } from '../support/console-pages.js'
import { createAndRun, createJob, handlerJob, runJob, shellJob, waitForEnd, waitForInstance, waitForSealed } from '../support/factories.js'

const WORKER = `<img src="nowhere" onerror="attacked('worker')">`
const HANDLER = '<img src="nowhere" onerror="attacked(`handler`)">'
const NOBODYS_HANDLER = `<img src="nowhere" onerror="attacked('no handler')">`
const FORGED_NAME = `<img src="nowhere" onerror="attacked('job name')">`
const DESCRIPTION = [...ATTACKS, OVERRIDE].join(' ')
const ESC = '\u001b'

/** What a job prints, and what is shown of it. */
const LOG: readonly (readonly [written: string, shown: string])[] = [
  ...ATTACKS.map((text) => [text, text] as const),
  [`${ESC}]8;;javascript:attacked('osc 8')${ESC}\\an OSC 8 link${ESC}]8;;${ESC}\\`, 'an OSC 8 link'],
  [`${ESC}]8;;https://example.com/${ESC}\\another${ESC}]8;;${ESC}\\`, 'another'],
  [`${ESC}]0;title\u0007${ESC}[2J${ESC}[Hcleared`, 'cleared'],
  [`${ESC}[31m<b onmouseover="attacked('bold')">red</b>${ESC}[0m`, `<b onmouseover="attacked('bold')">red</b>`],
  ['a\u0000b\u0007c\u0008d\u007fe\u009bf', 'a\u2400b\u2407c\u2408d\u2421e\u2426f'],
  [OVERRIDE, 'invoice\u2426fdp.exe'],
  ['\u2066left\u2069 \u200fright', '\u2426left\u2426 \u2426right'],
  [`https://example.com/"onmouseover="attacked('attribute')"`, `https://example.com/"onmouseover="attacked('attribute')"`],
  [`https://example.com/<script>attacked('path')</script>`, `https://example.com/<script>attacked('path')</script>`],
]
const GROUP = `<img src="nowhere" onerror="attacked('group')">`
const JSON_LINE = JSON.stringify({ html: `<img src="nowhere" onerror="attacked('json')">` })

/** As it stands inside of JSON. */
const quoted = (text: string): string => JSON.stringify(text).slice(1, -1)

describe('text that would be a script stays text', () => {
  const cluster = useCluster({
    servers: 2,
    workers: 1,
    workerArgs: ['--name', WORKER, '--handlers', fileURLToPath(new URL('../support/hostile-handlers.mjs', import.meta.url))],
  })
  const browser = useBrowser()
  let token = ''
  let workerId = ''
  let job: JobView
  /** Instances by how they ended, or why they have not. */
  const runs = { failed: '', succeeded: '', running: '', waiting: '' }

  beforeAll(async () => {
    const api = await cluster().api()
    token = api.token ?? ''
    workerId = (await api.get('/api/workers', WorkerPage)).items[0]?.id ?? ''
    const params = { lines: [...LOG.map(([written]) => written), `::group::${GROUP}`, 'in it', '::endgroup::', JSON_LINE], [ATTACKS[1]]: [...ATTACKS] }
    job = await createJob(api, handlerJob(HANDLER, { description: DESCRIPTION, params }))
    runs.failed = await runJob(api, job.id, { params: { error: DESCRIPTION } })
    runs.succeeded = await runJob(api, job.id, { params: { result: { [ATTACKS[0]]: [...ATTACKS, OVERRIDE] } } })
    runs.running = (await createAndRun(api, shellJob('echo "$0"; sleep 600', { description: DESCRIPTION }))).instanceId
    runs.waiting = (await createAndRun(api, handlerJob(NOBODYS_HANDLER))).instanceId
    await waitForEnd(api, runs.failed)
    await waitForSealed(api, runs.succeeded)
    await waitForInstance(api, runs.running, 'is running', ({ status }) => status === 'RUNNING')
    await waitForInstance(api, runs.waiting, 'waits', ({ waitingFor }) => waitingFor?.reason === 'no_worker')
    await api.patch(`/api/jobs/${job.id}`, { revision: job.revision, description: `${DESCRIPTION} changed` })
    // The API refuses such names. They are written behind its back, for the pages must not rely on that.
    const database = await cluster().database()
    await database.collection('instances').updateMany({}, { $set: { jobName: FORGED_NAME } })
    await database.collection('audit_log').updateMany({}, { $set: { 'target.name': FORGED_NAME, 'details.forged': FORGED_NAME } })
  }, 120_000)

  async function open(path: string): Promise<{ page: Page; harm: Harm }> {
    const page = await openPage(browser(), { token })
    const harm = await watchHarm(page)
    await page.goto(`${cluster().url}${path}`)
    return { page, harm }
  }

  /** The pages that show what a user or a worker has written, each with what has to stand on it. */
  const pages: [path: () => string, texts: readonly string[]][] = [
    [() => '/', [FORGED_NAME]],
    [() => '/jobs', [DESCRIPTION]],
    [() => `/jobs/${job.id}`, [DESCRIPTION, HANDLER, WORKER, ...ATTACKS.map(quoted)]],
    [() => `/jobs/${job.id}?view=json`, [quoted(DESCRIPTION).replace('\u202E', '•'), quoted(HANDLER)]],
    [() => `/jobs/${job.id}/revisions`, ATTACKS.map(quoted)],
    [() => `/jobs/new?from=${job.id}`, [DESCRIPTION, HANDLER]],
    [() => '/instances', [FORGED_NAME, DESCRIPTION]],
    [() => `/instances/${runs.failed}`, [FORGED_NAME, DESCRIPTION, WORKER]],
    [() => `/instances/${runs.succeeded}`, [FORGED_NAME, WORKER, ...ATTACKS.map(quoted)]],
    [() => `/instances/${runs.waiting}`, [FORGED_NAME, NOBODYS_HANDLER]],
    [() => `/workers?open=${workerId}`, [WORKER, HANDLER, FORGED_NAME]],
    [() => '/settings/audit', [FORGED_NAME]],
    [() => `/nothing/${encodeURIComponent(ATTACKS[1])}`, ['No such page']],
    [() => `/jobs?search=${encodeURIComponent(ATTACKS[1])}`, [ATTACKS[1]]],
    [() => `/settings/audit?actor=${encodeURIComponent(ATTACKS[1])}`, [ATTACKS[1]]],
    [() => `/jobs?ns=${encodeURIComponent(ATTACKS[1])}`, [ATTACKS[1]]],
  ]

  test('on every page', async () => {
    const { page, harm } = await open('/')
    for (const [path, texts] of pages) {
      await page.goto(`${cluster().url}${path()}`)
      expect(await elementsOfAttacks(page, texts), path()).toEqual([])
    }
    expect(harm).toEqual(UNHARMED)
  }, 240_000)

  test('in a log, as lines, links, JSON that is set out, and groups', async () => {
    const { page, harm } = await open(`/instances/${runs.succeeded}?full=1`)
    const log = new LogPanel(page)
    await log.row(LOG.length).getByText(GROUP).waitFor()
    const lines = await log.inView()
    expect(lines.slice(0, LOG.length).map(({ text }) => text)).toEqual(LOG.map(([, shown]) => shown))
    await log
      .row(LOG.length + 3)
      .getByRole('button')
      .click()
    expect(
      await log
        .row(LOG.length + 3)
        .locator('.lv-detail')
        .textContent(),
    ).toBe(JSON.stringify(JSON.parse(JSON_LINE), null, 2))
    const links = await log.root.locator('.lv-text a').evaluateAll((all) => all.map((link) => [link.getAttribute('href'), link.getAttribute('rel')]))
    expect(links).toEqual(LOG.flatMap(([, shown]) => (shown.startsWith('https:') ? [['https://example.com/', 'noopener noreferrer nofollow']] : [])))
    expect(await elementsOfAttacks(page, [GROUP])).toEqual([])
    expect(harm).toEqual(UNHARMED)
  })

  test('in what is asked before something is done, and what is said after', async () => {
    const { page, harm } = await open(`/instances/${runs.running}`)
    await page.getByRole('button', { name: /Cancel run/ }).click()
    expect(await elementsOfAttacks(page, [`Cancel this run of ${FORGED_NAME}?`])).toEqual([])
    await page.getByRole('button', { name: 'Cancel the run' }).click()
    await waitForEnd(await cluster().api(), runs.running)
    await page.goto(`${cluster().url}/jobs/new`)
    await page.getByLabel('Name', { exact: true }).fill(ATTACKS[0])
    await page.getByRole('button', { name: /Create/ }).click()
    await page.getByText(/^Letters, digits, dots, dashes and underscores/).waitFor()
    expect(await elementsOfAttacks(page, [ATTACKS[0]])).toEqual([])
    expect(harm).toEqual(UNHARMED)
    const answer = await (await cluster().api()).raw('POST', '/api/jobs', { body: { ...shellJob('true'), name: ATTACKS[0] } })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ code: 'VALIDATION_FAILED', errors: [{ path: 'name' }] })
  })

  test('the address to go to after signing in is a page of the console', async () => {
    const { page, harm } = await open('/')
    for (const to of [`javascript:attacked('to')`, '//example.com', '/\\example.com', 'https://example.com']) {
      await page.goto(`${cluster().url}/sign-in?to=${encodeURIComponent(to)}`)
      await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor()
      expect(new URL(page.url()).origin).toBe(cluster().url)
    }
    expect(harm).toEqual(UNHARMED)
  })

  test('and what became HTML all the same would run nothing', async () => {
    const { page, harm } = await open('/jobs')
    await page.getByRole('heading', { name: 'Jobs', level: 1 }).waitFor()
    await page.evaluate((attacks) => {
      document.body.insertAdjacentHTML('beforeend', attacks.join(''))
      const script = document.createElement('script')
      script.textContent = `attacked('made script')`
      document.body.append(script)
      // Not at once: what the browser's remote control calls is free to make code.
      // oxlint-disable-next-line typescript/no-implied-eval
      setTimeout(() => new Function(`attacked('made function')`)())
    }, ATTACKS)
    await page.getByText('click', { exact: true }).first().click()
    const blocked = [
      ...['script-src eval', 'script-src-attr inline', 'script-src-attr inline'],
      ...['script-src-elem inline', 'script-src-elem inline', 'script-src-elem inline'],
    ]
    await expect.poll(() => harm.blocked.toSorted(), { timeout: 20_000 }).toEqual(blocked)
    expect(harm.executed).toEqual([])
  })

  test.each(['/', '/index.html', '/jobs', '/instances/01a1fc56-13c9-762d-bf8b-1b5d0c028783'])(
    'the page at %s lets only scripts of the server run, and may not be framed',
    async (path) => {
      const { headers } = await fetch(`${cluster().url}${path}`, { headers: { accept: 'text/html' } })
      const policy = new Map((headers.get('content-security-policy') ?? '').split('; ').map((each) => [each.split(' ')[0], each.split(' ').slice(1)]))
      expect(policy.get('default-src')).toEqual(["'self'"])
      expect(policy.get('script-src') ?? ["'self'"]).toEqual(["'self'"])
      for (const directive of ['object-src', 'frame-ancestors']) expect(policy.get(directive)).toEqual(["'none'"])
      for (const directive of ['base-uri', 'form-action']) expect(policy.get(directive)).toEqual(["'self'"])
      expect(headers.get('x-content-type-options')).toBe('nosniff')
    },
  )
})
