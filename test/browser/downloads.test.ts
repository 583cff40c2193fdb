import { readFile } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import { LogPage } from '@jobtrail/api/logs'
import { beforeAll, expect, it } from 'vitest'
import { openPage, useBrowser } from '../support/browser.js'
import { useCluster } from '../support/cluster.js'
import { LogPanel } from '../support/console-pages.js'
import { commandJob, createAndRun, rawLog, waitForSealed } from '../support/factories.js'

const LINES = 30_000

const cluster = useCluster({ servers: 2, workers: 1 })
const browser = useBrowser()
let instanceId: string

beforeAll(async () => {
  // More lines than the page ever holds; every hundredth is on stderr, every thousandth has the word.
  const script = `seq 0 ${LINES - 1} | awk '{ if ($1 % 100 == 50) print "line " $1 > "/dev/stderr"; else if ($1 % 1000 == 0) print "needle " $1; else print "line " $1; fflush() }'`
  const api = await cluster().api()
  ;({ instanceId } = await createAndRun(api, commandJob('bash', ['-c', script])))
  await waitForSealed(api, instanceId)
})

async function saved(page: Page, what: string): Promise<{ name: string; text: string }> {
  await page.getByRole('button', { name: 'Download' }).click()
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: what, exact: true }).click()])
  return { name: download.suggestedFilename(), text: await readFile(await download.path(), 'utf8') }
}

const open = async (more = ''): Promise<Page> => {
  const page = await openPage(browser(), { token: (await cluster().api()).token ?? '' })
  const log = await LogPanel.open(page, cluster().url, instanceId, more)
  await log.rows.first().waitFor()
  return page
}

it('the whole log is saved as it was written, with times, and as JSON lines', async () => {
  const api = await cluster().api()
  const page = await open()
  expect(await saved(page, 'Whole log, as written (.log)')).toEqual({ name: `${instanceId}.log`, text: (await rawLog(api, instanceId)).toString() })
  expect((await saved(page, 'Whole log with times (.log)')).text).toBe((await rawLog(api, instanceId, 'timestamps=true')).toString())
  expect(await saved(page, 'Whole log as JSON lines (.jsonl)')).toEqual({
    name: `${instanceId}.jsonl`,
    text: (await rawLog(api, instanceId, 'format=jsonl')).toString(),
  })
})

it('what is shown is saved, all of it: one side, or what was found with the lines around it', async () => {
  const api = await cluster().api()
  const page = await open()
  await page.getByRole('button', { name: 'stderr' }).click()
  await page.getByRole('button', { name: 'stderr', pressed: true }).waitFor()
  expect((await saved(page, 'Only the lines shown (.log)')).text).toBe((await rawLog(api, instanceId, 'stream=stderr')).toString())

  const search = await open('&q=needle&only=1')
  await search.getByText(`${LINES / 1_000} matches`).waitFor()
  const { lines } = await allLines()
  const found = lines.filter(({ n }) => [-3, -2, -1, 0, 1, 2, 3].some((step) => lines[n + step]?.text.startsWith('needle')))
  expect((await saved(search, 'Only the lines shown (.log)')).text).toBe(found.map(({ text }) => `${text}\n`).join(''))
  expect((await saved(search, 'Only the lines shown, as JSON lines (.jsonl)')).text).toBe(found.map((line) => `${JSON.stringify(line)}\n`).join(''))

  async function allLines(): Promise<Pick<LogPage, 'lines'>> {
    const pages = await Promise.all([0, 10_000, 20_000].map((from) => api.get(`/api/instances/${instanceId}/logs?from=${from}&limit=10000`, LogPage)))
    return { lines: pages.flatMap((each) => each.lines) }
  }
})
