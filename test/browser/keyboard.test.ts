import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { openPage, useBrowser, watchErrors } from '../support/browser.js'
import { ADMIN_PASSWORD, useCluster } from '../support/cluster.js'
import { LogPanel } from '../support/console-pages.js'
import { commandJob, createJob, runJob, uniqueName, waitForEnd } from '../support/factories.js'

const MAX_STOPS = 60

const cluster = useCluster({ servers: 2, workers: 1 })
const browser = useBrowser({ keepsPages: true })

/** What has the focus: its name as a screen reader says it, nearly, and whether one can see that it has it. */
function focused(page: Page): Promise<{ name: string; isVisible: boolean; tag: string }> {
  return page.evaluate(() => {
    const element = document.activeElement
    if (element === null || element === document.body) return { name: '', isVisible: false, tag: 'body' }
    const labels = element instanceof HTMLInputElement ? [...(element.labels ?? [])].map((label) => label.textContent ?? '') : []
    const name = element.getAttribute('aria-label') ?? (labels.join(' ') || (element.textContent ?? ''))
    // The ring may be drawn by the control around the element, as in fields with an icon.
    const rings = [element, element.parentElement, element.parentElement?.parentElement].map((each) => (each ? getComputedStyle(each) : undefined))
    const isVisible = rings.some(
      (style) => style !== undefined && ((style.outlineStyle !== 'none' && style.outlineWidth !== '0px') || style.boxShadow !== 'none'),
    )
    return { name: name.trim(), isVisible, tag: element.tagName }
  })
}

/** Presses Tab until something with that name has the focus. */
async function tabTo(page: Page, name: string | RegExp): Promise<void> {
  const passed: string[] = []
  for (let stop = 0; stop < MAX_STOPS; stop++) {
    await page.keyboard.press('Tab')
    const current = await focused(page)
    if (typeof name === 'string' ? current.name === name : name.test(current.name)) {
      await expect.poll(() => focused(page)).toMatchObject({ isVisible: true })
      return
    }
    passed.push(current.name.slice(0, 40))
  }
  throw new Error(`Tab did not come to ${String(name)}, but to: ${passed.join(' | ')}`)
}

it('a job is found and run, and its log read, searched and left, by keyboard alone', async () => {
  const name = uniqueName('keys')
  const script = 'for i in $(seq 1 3000); do echo "line $i"; [ $((i % 1000)) -eq 0 ] && echo "needle $i"; done; exec sleep 600'
  const { id } = await createJob(await cluster().api(), commandJob('bash', ['-c', script], { name }))
  const page = await openPage(browser())
  const errors = watchErrors(page)
  const { keyboard } = page
  await page.goto(cluster().url)
  await page.getByRole('button', { name: 'Sign in' }).waitFor()
  await keyboard.type('admin')
  await keyboard.press('Tab')
  await keyboard.type(ADMIN_PASSWORD)
  await keyboard.press('Enter')
  await page.getByRole('navigation', { name: 'Main' }).waitFor()

  await tabTo(page, 'Jobs')
  await keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Jobs', level: 1 }).waitFor()
  await page.getByRole('link', { name }).waitFor()
  await tabTo(page, name)
  await keyboard.press('Enter')
  await page.waitForURL(new RegExp(`/jobs/${id}`))
  await page.getByRole('heading', { name, level: 1 }).waitFor()
  await tabTo(page, /Run now/)
  await keyboard.press('Enter')
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('textbox', { name: 'Params' }).waitFor()
  // The dialog keeps the focus, and gives it back.
  await tabTo(page, 'Cancel')
  await keyboard.press('Enter')
  await dialog.waitFor({ state: 'hidden' })
  await expect.poll(async () => (await focused(page)).name).toMatch(/Run now/)
  await keyboard.press('Enter')
  await dialog.getByRole('textbox', { name: 'Params' }).waitFor()
  await tabTo(page, /^Run now/)
  await keyboard.press('Enter')
  await page.waitForURL(/\/instances\/[0-9a-f-]{36}/)

  const log = new LogPanel(page)
  await log.row(3002).waitFor()
  await tabTo(page, 'Log text')
  await keyboard.press('g')
  await log.row(0).waitFor()
  await page.getByRole('button', { name: 'Follow', pressed: false }).waitFor()
  await keyboard.press('/')
  await keyboard.type('needle')
  await keyboard.press('Enter')
  await page.getByText('3 matches').waitFor()
  await keyboard.press('Enter')
  await page.getByText('1 of 3').waitFor()
  await log.row(1000).getByText('needle 1000').waitFor()
  await tabTo(page, 'Log text')
  await keyboard.press('n')
  await page.getByText('2 of 3').waitFor()
  await log.row(2001).getByText('needle 2000').waitFor()
  await keyboard.press('N')
  await page.getByText('1 of 3').waitFor()

  await keyboard.press('t')
  await log.root.locator('.lv-row .lv-stamp').first().waitFor()
  await keyboard.press('w')
  await page.getByRole('button', { name: /Wrap/, pressed: true }).waitFor()
  await keyboard.press('f')
  await page.getByRole('button', { name: 'Follow', pressed: true }).waitFor()
  await log.row(3002).waitFor()
  await keyboard.press('?')
  await page.getByRole('dialog').getByText('Keys of the log').waitFor()
  await keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'hidden' })
  await keyboard.press('G')
  await log.row(3002).waitFor()
  expect(errors).toEqual([])
})

it('who comes by keyboard can pass over the navigation', async () => {
  const page = await openPage(browser(), { token: (await cluster().api()).token ?? '' })
  await page.goto(`${cluster().url}/jobs`)
  await page.getByRole('heading', { name: 'Jobs', level: 1 }).waitFor()
  await page.keyboard.press('Tab')
  expect((await focused(page)).name).toBe('Skip to content')
  await page.keyboard.press('Enter')
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('main')
})

it('of the strip of last runs one is a stop for Tab, and arrow keys lead to the others', async () => {
  const api = await cluster().api()
  const { id, name } = await createJob(api, commandJob('true', []))
  const ids = [await runJob(api, id), await runJob(api, id), await runJob(api, id)]
  await Promise.all(ids.map((each) => waitForEnd(api, each)))
  const page = await openPage(browser(), { token: api.token ?? '' })
  await page.goto(`${cluster().url}/jobs?search=${name}`)
  const strip = page.getByRole('group', { name: new RegExp(name) })
  await strip.getByRole('link').nth(2).waitFor()
  await strip.locator('[tabindex="0"]').focus()
  const focusedRun = (): Promise<string> => page.evaluate(() => document.activeElement?.getAttribute('href')?.split('/').at(-1) ?? '')
  const walked: string[] = []
  for (const key of ['ArrowLeft', 'ArrowLeft', 'ArrowLeft', 'End', 'Home', 'ArrowRight']) {
    await page.keyboard.press(key)
    walked.push(await focusedRun())
  }
  expect(walked.map((each) => ids.indexOf(each))).toEqual([1, 0, 0, 2, 0, 1])
  expect(await strip.locator('[tabindex="0"]').count()).toBe(1)
  await page.keyboard.press('Enter')
  await page.waitForURL(new RegExp(`/instances/${ids[1]}`))
})
