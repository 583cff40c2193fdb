import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { openPage, type PageOptions, useBrowser, watchErrors } from '../support/browser.js'
import { useCluster } from '../support/cluster.js'
import { LogPanel } from '../support/console-pages.js'
import { createAndRun, shellJob, waitForSealed } from '../support/factories.js'
import { Gate } from '../support/gate.js'
import { LogWatch } from '../support/log-watch.js'

const LINES = 1_000_000
/** Lines with the rare word, counted from 1. */
const RARE = [123_457, 373_457, 623_457, 873_457]
const ROW_HEIGHT = 20
const MAX_ELEMENTS = 2_000
const MAX_HEAP_BYTES = 150 * 1024 * 1024

const text = (line: number): string => `line ${line} of a long log${RARE.includes(line) ? ' with a needle in it' : ''}`

/** Prints the million at full speed, then more; each at a step of the gate. */
const script = (gate: Gate): string => `
${gate.shell(1)}
awk 'BEGIN { for (i = 1; i <= ${LINES}; i++) print "line " i " of a long log" (i % 250000 == 123457 ? " with a needle in it" : "") }'
${gate.shell(2)}
echo "more"
${gate.shell(3)}
echo "and more"
${gate.shell(4)}
echo "the end"`

describe('a log of 1,000,000 lines', () => {
  const cluster = useCluster({ servers: 2, workers: 1 })
  const browser = useBrowser()
  let gate: Gate
  let instanceId = ''
  let token = ''

  beforeAll(async () => {
    gate = new Gate(join(cluster().dir, 'gate'))
    const api = await cluster().api()
    token = api.token ?? ''
    instanceId = (await createAndRun(api, shellJob(script(gate)))).instanceId
  })

  async function open(more = '', options: PageOptions = {}): Promise<LogPanel> {
    return LogPanel.open(await openPage(browser(), { token, ...options }), cluster().url, instanceId, more)
  }

  /** The rows of a window are elements, and the lines of some pages in memory: never the log. */
  async function expectBounded(page: Page): Promise<void> {
    const { rows, elements, height } = await page.evaluate(() => ({
      rows: document.querySelectorAll('.lv-row').length,
      elements: document.querySelectorAll('*').length,
      height: innerHeight,
    }))
    expect(rows).toBeGreaterThan(0)
    expect(rows).toBeLessThanOrEqual(Math.ceil(height / ROW_HEIGHT) + 1)
    expect(elements).toBeLessThan(MAX_ELEMENTS)
    const session = await page.context().newCDPSession(page)
    await session.send('HeapProfiler.collectGarbage')
    expect((await session.send('Runtime.getHeapUsage')).usedSize).toBeLessThan(MAX_HEAP_BYTES)
  }

  test('is followed while it is written at full speed, shown at any line, and goes on live', async () => {
    const page = await openPage(browser(), { token })
    const errors = watchErrors(page)
    const watch = await LogWatch.begin(page)
    const log = await LogPanel.open(page, cluster().url, instanceId)
    await log.badge('Live').waitFor()
    gate.open()
    await log
      .row(LINES - 1)
      .getByText(text(LINES), { exact: true })
      .waitFor({ timeout: 90_000 })
    const { texts, faults } = await watch.seen()
    expect(faults).toEqual([])
    expect([...texts]).toEqual([...texts.keys()].map((n) => [n, text(n + 1)]))
    expect(await log.count.textContent()).toBe('1,000,000 lines')

    await log.press('g')
    await log.row(0).getByText(text(1), { exact: true }).waitFor()
    await log.goTo('500000')
    await log.row(499_999).getByText(text(500_000), { exact: true }).waitFor()
    for (const line of [1, 77_777, 999_000, 250_001, 600_000]) {
      await log.goTo(String(line))
      await log.row(line - 1).waitFor()
      const shown = await log.inView()
      expect(shown).toEqual(shown.map(({ n }) => ({ n, text: text(n + 1) })))
    }
    await expectBounded(log.page)

    await log.press('G')
    await log.row(LINES - 1).waitFor()
    gate.open()
    await log.row(LINES).getByText('more', { exact: true }).waitFor()
    await log.press('PageUp')
    gate.open()
    await log.root.getByRole('button', { name: /1 new line/ }).click()
    await log
      .row(LINES + 1)
      .getByText('and more', { exact: true })
      .waitFor()
    gate.open()
    await log
      .row(LINES + 2)
      .getByText('the end', { exact: true })
      .waitFor()
    await log.badge('Complete').click()
    await log.badge('Complete and verified').waitFor()
    await expectBounded(log.page)
    expect(errors).toEqual([])
  })

  test('is searched as a whole, and its matches are gone through in both directions', async () => {
    await waitForSealed(await cluster().api(), instanceId)
    const log = await open()
    const result = log.root.getByRole('search').getByRole('status')
    const expectMatch = async (index: number): Promise<void> => {
      await result.getByText(`${index + 1} of ${RARE.length}`, { exact: true }).waitFor()
      const row = log.row((RARE[index] ?? 0) - 1)
      await row.locator('mark').getByText('NEEDLE', { exact: false }).waitFor()
      expect(await row.getAttribute('class')).toContain('lv-current')
    }
    await log.press('/')
    await log.page.keyboard.type('NEEDLE')
    await result.getByText(`${RARE.length} matches`).waitFor()
    await log.press('n')
    await expectMatch(0)
    await log.press('n')
    await expectMatch(1)
    await log.press('N')
    await expectMatch(0)
    await log.press('N')
    await expectMatch(3)

    await log.root.getByRole('button', { name: 'Only matching lines' }).click()
    await log.row((RARE[0] ?? 0) - 1).waitFor()
    const context = [-3, -2, -1, 0, 1, 2, 3]
    expect(await log.inView()).toEqual(RARE.flatMap((line) => context.map((by) => ({ n: line - 1 + by, text: text(line + by) }))))
    await expectBounded(log.page)

    // What is searched for is in the address: whoever opens it sees the same.
    const same = new LogPanel(await openPage(browser(), { token }))
    await same.page.goto(log.page.url())
    await same.root.getByRole('search').getByRole('status').getByText(`${RARE.length} matches`).waitFor()
    expect(await same.inView()).toEqual(await log.inView())
  })

  test('a link to lines opens there with the lines selected, and so does the link that is copied', async () => {
    const expectSelected = async (log: LogPanel, from: number, to: number): Promise<void> => {
      await log.root
        .getByRole('toolbar', { name: 'Selected lines' })
        .getByText(`Lines ${from}–${to} (${to - from + 1})`)
        .waitFor()
      await log.row(from - 1).waitFor()
      const selected = log.root.locator('.lv-row.lv-selected')
      expect(await selected.evaluateAll((rows) => rows.map((row) => Number(row.dataset['line']) + 1))).toEqual(
        Array.from({ length: to - from + 1 }, (_, i) => from + i),
      )
    }
    const log = await open('#L120-L140')
    await expectSelected(log, 120, 140)

    await log.goTo('700000')
    await log.row(700_000).locator('.lv-n').click()
    await log
      .row(700_004)
      .locator('.lv-n')
      .click({ modifiers: ['Shift'] })
    await expectSelected(log, 700_001, 700_005)
    await log.root.getByRole('button', { name: /Copy link/ }).click()
    await log.page.getByText('Link copied').waitFor()
    const link = await log.page.evaluate(() => navigator.clipboard.readText())
    expect(new URL(link).hash).toBe('#L700001-L700005')

    const other = new LogPanel(await openPage(browser(), { token }))
    await other.page.goto(link)
    await expectSelected(other, 700_001, 700_005)
    expect((await other.inView()).filter(({ n }) => n >= 700_000 && n < 700_005)).toEqual(
      Array.from({ length: 5 }, (_, i) => ({ n: 700_000 + i, text: text(700_001 + i) })),
    )
  })
})
