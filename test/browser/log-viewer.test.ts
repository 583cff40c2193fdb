import { join } from 'node:path'
import type { Binary, Collection } from 'mongodb'
import type { Page } from 'playwright-core'
import type { ApiClient } from '@jobtrail/deploy/api-client'
import { beforeAll, expect, it, onTestFinished } from 'vitest'
import { openPage, useBrowser, watchErrors } from '../support/browser.js'
import { useCluster } from '../support/cluster.js'
import { LogPanel } from '../support/console-pages.js'
import { ChunkBuilder } from '@jobtrail/shared/log/chunk-builder'
import { createAndRun, shellJob, uniqueName, waitForEnd, waitForInstance, waitForSealed } from '../support/factories.js'
import { Gate } from '../support/gate.js'
import { ProtocolWorker } from '../support/protocol-worker.js'
import { storedIds } from '../support/stored-ids.js'

const cluster = useCluster({ servers: 1, workers: 1, balancer: 'none' })
const browser = useBrowser()
let api: ApiClient

beforeAll(async () => {
  api = await cluster().api()
})

const openLog = async (instanceId: string, more = ''): Promise<LogPanel> =>
  LogPanel.open(await openPage(browser(), { token: api.token ?? '' }), cluster().url, instanceId, more)

async function sealedLog(script: string, more: Parameters<typeof shellJob>[1] = {}): Promise<string> {
  const { instanceId } = await createAndRun(api, shellJob(script, more))
  await waitForSealed(api, instanceId)
  return instanceId
}

const clipboard = (page: Page): Promise<string> => page.evaluate(() => navigator.clipboard.readText())
const textOf = async (log: LogPanel, n: number): Promise<string> => (await log.row(n).locator('.lv-text').textContent()) ?? ''

it('shows colours, progress, JSON, links and long lines for what they are, and sides apart', async () => {
  const id = await sealedLog(String.raw`
printf '\033[1;31mred\033[0m plain\n'
printf '10%%\r50%%\r100%% done\n'
echo '{"level":"warn","nested":{"deep":[1,2,3]}}'
echo 'see https://example.org/a?b=c.'
head -c 9000 /dev/zero | tr '\0' x; echo
printf 'bell\007 null\000 back\010\n'
sleep 0.3; echo wrong >&2`)
  const log = await openLog(id)
  const errors = watchErrors(log.page)
  const red = log.row(0).locator('.lv-text span').first()
  expect(await red.textContent()).toBe('red')
  expect(await red.evaluate((element) => [getComputedStyle(element).color, getComputedStyle(element).fontWeight])).toEqual(['rgb(193, 26, 38)', '600'])
  expect(await textOf(log, 0)).toBe('red plain')

  expect(await textOf(log, 1)).toBe('100% done')
  await log.row(1).getByRole('button', { name: 'Show what this line overwrote' }).click()
  await expect.poll(() => log.row(1).locator('.lv-detail').textContent()).toContain('50%')
  await log.row(2).getByRole('button', { name: 'Set out the JSON' }).click()
  await expect.poll(() => log.row(2).locator('.lv-detail').textContent()).toContain('"deep": [\n')

  const link = log.row(3).getByRole('link', { name: 'https://example.org/a?b=c', exact: true })
  expect(await link.getAttribute('href')).toBe('https://example.org/a?b=c')
  expect(await link.getAttribute('rel')).toContain('noopener')

  expect((await textOf(log, 4)).length).toBeLessThan(4_200)
  expect(await textOf(log, 4)).toContain('5000 more characters')
  await log.row(4).getByRole('button', { name: 'Show the whole line' }).click()
  await expect.poll(async () => (await log.row(4).locator('.lv-detail').textContent())?.length).toBe(9_000)
  expect(await textOf(log, 5)).not.toMatch(/\p{Cc}/u)

  await expect.poll(() => log.row(6).getAttribute('class')).toContain('stderr')
  await log.root.getByRole('button', { name: 'stderr' }).click()
  await expect.poll(async () => (await log.rows.allTextContents()).map((text) => text.replace(/^\d+/, ''))).toEqual(['wrong'])
  expect(errors).toEqual([])
})

it('folds groups, all of them at once, and unfolds the one in which something is found', async () => {
  const id = await sealedLog(
    'for g in 1 2 3; do echo "::group::Step $g"; for i in $(seq 5); do echo "step $g item $i"; done; echo ::endgroup::; done; echo end',
  )
  const log = await openLog(id)
  const shown = async (): Promise<number[]> => (await log.inView()).map(({ n }) => n)
  await log.row(0).getByText('Step 1', { exact: true }).waitFor()
  await log.row(7).getByRole('button', { name: 'Fold or unfold this group' }).click()
  await expect.poll(shown).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 14, 15, 16, 17, 18, 19, 20, 21])
  await log.root.getByRole('button', { name: '3 groups' }).click()
  await log.page.getByRole('menuitem', { name: 'Fold all', exact: true }).click()
  await expect.poll(shown).toEqual([0, 7, 14, 21])
  expect(await textOf(log, 7)).toContain('6 lines')

  const field = log.page.getByLabel('Search in the whole log')
  await field.fill('step 2 item 4')
  await log.page.getByText('1 match', { exact: true }).waitFor()
  await field.press('Enter')
  await log.row(11).locator('mark').waitFor()
  await expect.poll(shown).toEqual([0, 7, 8, 9, 10, 11, 12, 13, 14, 21])
  await log.root.getByRole('button', { name: '3 groups' }).click()
  await log.page.getByRole('menuitem', { name: 'Unfold all', exact: true }).click()
  await expect.poll(async () => (await shown()).length).toBe(22)
})

it('reads nothing of what a fold hides', async () => {
  const id = await sealedLog('echo before; echo ::group::Big; seq 100000; echo ::endgroup::; seq -f "after %.0f" 50')
  const log = await openLog(id)
  await log.root.getByRole('button', { name: '1 group' }).click()
  await log.page.getByRole('menuitem', { name: 'Fold all', exact: true }).click()
  await log.row(100_005).getByText('after 3', { exact: true }).waitFor()
  const read: string[] = []
  log.page.on('request', (request) => request.url().includes('/logs?') && read.push(request.url()))
  for (const key of ['G', 'g', 'G', 'g']) {
    await log.press(key)
    expect((await log.inView()).length).toBeGreaterThan(20)
  }
  // Those next to what is in view; the group has 200 pages.
  expect(read.length).toBeLessThan(4)
})

it('lines are selected, linked to and copied, with their times if wanted; another page opens the link at them', async () => {
  const id = await sealedLog('seq -f "row %.0f" 1 2000')
  const log = await openLog(id)
  const { page } = log
  await log.goTo('1200')
  await expect.poll(() => new URL(page.url()).hash).toBe('#L1200')
  await log
    .row(1202)
    .locator('.lv-n')
    .click({ modifiers: ['Shift'] })
  await expect.poll(() => new URL(page.url()).hash).toBe('#L1200-L1203')
  const bar = log.root.getByRole('toolbar', { name: 'Selected lines' })
  await bar.getByText('Lines 1200–1203 (4)').waitFor()
  await bar.getByText('Copy', { exact: true }).click()
  await page.getByText('4 lines copied').first().waitFor()
  expect(await clipboard(page)).toBe('row 1200\nrow 1201\nrow 1202\nrow 1203\n')
  await bar.getByText('Copy with times').click()
  await expect.poll(() => clipboard(page)).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z row 1200\n(.*\n){3}$/)
  await bar.getByText('Copy link').click()
  await expect.poll(() => clipboard(page)).toContain('#L1200-L1203')

  const other = await openPage(browser(), { token: api.token ?? '' })
  await other.goto(await clipboard(page))
  const linked = new LogPanel(other)
  await linked.row(1199).waitFor()
  expect(await linked.root.locator('.lv-selected').count()).toBe(4)
  await bar.getByRole('button', { name: 'Clear selection' }).click()
  await bar.waitFor({ state: 'hidden' })
  await expect.poll(() => new URL(page.url()).hash).toBe('')
})

it('goes on with the next attempt by itself; each says how the one before ended, and leads to it', async () => {
  const script = 'echo "try $JOBTRAIL_ATTEMPT"; if [ ! -e "$FLAG" ]; then touch "$FLAG"; sleep 2; exit 3; fi; sleep 600'
  const job = shellJob(script, { retry: { maxRetries: 1, backoffMs: 500 } })
  const { instanceId } = await createAndRun(api, { ...job, processor: { kind: 'shell', script, env: { FLAG: `${cluster().dir}/flag-${job.name}` } } })
  await waitForInstance(api, instanceId, 'has its first line', ({ log }) => log.lines === 1)
  const log = await openLog(instanceId)
  await log.row(0).getByText(/^try /).waitFor()
  await log.root.getByText('Attempt 2 on').waitFor()
  const first = await log.root.getByRole('button', { name: /Attempt 1: Failed \(3\) · 1 line/ }).textContent()
  expect(first).toContain('↑')
  await log.badge('Live').waitFor()
  await log.row(0).getByText(/^try /).waitFor()

  await log.root.getByRole('button', { name: /Attempt 1: Failed/ }).click()
  await log.root.getByText('Attempt 1 on').waitFor()
  await log.badge('Complete and verified').waitFor()
  expect(new URL(log.page.url()).searchParams.get('attempt')).toBe('1')
  await log.root.locator('.lv-border').last().getByText('Attempt 1: Failed (3)').waitFor()
  await log.root.getByRole('button', { name: /Attempt 2: Running/ }).click()
  await log.root.getByText('Attempt 2 on').waitFor()
  await log.badge('Live').waitFor()
  await api.post(`/api/instances/${instanceId}/cancel`)
  await log.root.locator('.lv-border').last().getByText('Attempt 2: Cancelled').waitFor()
  await waitForEnd(api, instanceId)
})

it('whoever reads on in an attempt is not taken away from it by the next one', async () => {
  // Few lines the second time: it opens at its end, where a long log does not show how it began.
  const gate = new Gate(join(cluster().dir, uniqueName('gate')))
  const script = `if [ "$JOBTRAIL_ATTEMPT_NUMBER" = 1 ]; then seq 1 300; ${gate.shell(1)}; exit 3; fi; echo again; sleep 600`
  const { instanceId } = await createAndRun(api, shellJob(script, { retry: { maxRetries: 1, backoffMs: 100 } }))
  await waitForInstance(api, instanceId, 'has its lines', ({ log }) => log.lines === 300)
  const log = await openLog(instanceId)
  await log.goTo('120')
  await expect.poll(() => new URL(log.page.url()).searchParams.get('attempt')).toBe('1')
  gate.open()
  const next = log.root.getByRole('button', { name: 'Attempt 2 has begun' })
  await next.waitFor()
  await log.row(119).waitFor()
  expect(await log.root.locator('.lv-selected').count()).toBe(1)
  await next.click()
  await log.root.getByText('Attempt 2 on').waitFor()
  expect(new URL(log.page.url()).hash).toBe('')
  await api.post(`/api/instances/${instanceId}/cancel`)
  await waitForEnd(api, instanceId)
})

it('an interrupted log says why, and shows the rest once its worker has brought it', async () => {
  const worker = new ProtocolWorker(await cluster().createWorkerToken(), uniqueName('worker'))
  onTestFinished(() => worker.disconnect())
  await worker.connect(cluster().url)
  const { instanceId } = await createAndRun(api, shellJob('true', { routing: { tags: [worker.tag] } }))
  const key = await worker.assignment(instanceId, 1)
  await worker.started(key)
  const builder = new ChunkBuilder(key)
  const chunks = ['first', 'second', 'third'].flatMap((text, i) => {
    builder.add(Buffer.from(text), 0, 1_700_000_000_000 + i)
    return builder.close() ?? []
  })
  await worker.log(chunks.slice(0, 1))
  const log = await openLog(instanceId)
  await log.badge('Live').waitFor()
  // Connected anew without the attempt: it has lost its memory of it.
  await worker.connect(cluster().url)
  await log.badge('Interrupted at line 1').waitFor()
  await log.badge('Live').waitFor({ state: 'hidden' })
  await log.root.locator('.lv-why').getByText(/\w/).waitFor()
  await worker.log(chunks.slice(1))
  await worker.seal(key, { ...builder.closedTotals, losses: [] })
  await log.badge('Complete and verified').waitFor()
  await log.row(2).getByText('third').waitFor()
})

it('follows on when its height changes', async () => {
  const { instanceId } = await createAndRun(api, shellJob('seq 1 500; while :; do sleep 0.2; echo more; done'))
  await waitForInstance(api, instanceId, 'has printed', ({ log }) => log.lines > 505)
  const log = await openLog(instanceId)
  await log.row(505).waitFor()
  const isFollowing = (): Promise<number> => log.page.getByRole('button', { name: 'Follow', pressed: true }).count()
  for (const height of [420, 800, 300, 700]) {
    await log.page.setViewportSize({ width: 1280, height })
    const { lines } = (await waitForInstance(api, instanceId, 'is there', () => true)).log
    await log.inView(lines + 2)
    expect(await isFollowing()).toBe(1)
  }
  await api.post(`/api/instances/${instanceId}/cancel`)
  await waitForEnd(api, instanceId)
})

it('an empty log says why it is empty', async () => {
  const waiting = await createAndRun(api, shellJob('echo never', { routing: { group: 'nobody' } }))
  const log = await openLog(waiting.instanceId)
  await log.root.getByText('The log begins when the run does').waitFor()
  await api.post(`/api/instances/${waiting.instanceId}/cancel`)
  await log.root.getByText('It was cancelled before it began').waitFor()
  const silent = await openLog(await sealedLog('true'))
  await silent.root.getByText('This attempt wrote nothing').waitFor()
  await silent.badge('Complete and verified').waitFor()
})

it('says what a limit left out, and when what is stored is not what was written', async () => {
  const id = await sealedLog('seq 1 5000', { log: { maxLines: 100 } })
  const log = await openLog(id)
  await log.press('G')
  await log.root.locator('.lv-row.system').getByText('4,900 lines').waitFor()
  await log.badge('Complete but for a limit').waitFor()

  const chunks: Collection<{ body: Binary }> = (await cluster().database()).collection('log_chunks')
  const [chunk] = await chunks.find({ '_id.instance': storedIds([id]) }).limit(1).toArray()
  if (chunk === undefined) throw new Error('the log has no chunk')
  const bytes = chunk.body.buffer
  bytes[bytes.length - 2] = (bytes[bytes.length - 2] ?? 0) ^ 1
  await chunks.updateOne({ _id: chunk._id }, { $set: { body: chunk.body } })
  await log.badge('Complete but for a limit').click()
  await log.badge('Digest broken').waitFor()
})
