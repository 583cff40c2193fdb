import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'
import { beforeAll, expect, it } from 'vitest'
import { picturesOf } from '../screenshots/pictures.js'
import { makeSampleData, type SampleData } from '../screenshots/sample-data.js'
import { openPage, useBrowser } from '../support/browser.js'
import { useCluster } from '../support/cluster.js'

/** Enough for a log of many screens; test/browser/million-lines.test.ts has the largest. */
const LARGE_LINES = 20_000
const PHONE = { width: 390, height: 844 }

const cluster = useCluster({ servers: 2, workers: 1 })
const browser = useBrowser({ keepsPages: true })
let data: SampleData
let axe: string
let token = ''

beforeAll(async () => {
  const api = await cluster().api()
  data = await makeSampleData(api, { largeLines: LARGE_LINES })
  token = api.token ?? ''
  axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
}, 120_000)

/** The rules that the colours of a theme can break: all others see the same page in light and in dark. */
const COLOUR_RULES = ['color-contrast', 'link-in-text-block']

interface LoadedAxe {
  run: (options: object) => Promise<AxeResults>
  _audit: { rules: readonly { id: string; impact: string }[] }
}

/** What axe, which has to be loaded, finds that keeps somebody from using the page, a line for each place. Rules that find nothing serious are left out: they take half of the time. */
async function seriousFindings(page: Page, only?: readonly string[]): Promise<string[]> {
  const { violations } = await page.evaluate((chosen): Promise<AxeResults> => {
    const { axe: loaded } = window as unknown as { axe: LoadedAxe }
    const lesser = loaded._audit.rules.filter(({ impact }) => impact !== 'serious' && impact !== 'critical')
    const which = chosen === undefined ? { rules: Object.fromEntries(lesser.map(({ id }) => [id, { enabled: false }])) } : { runOnly: chosen }
    return loaded.run({ resultTypes: ['violations'], ...which })
  }, only?.slice())
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, any, all }) => `${id}: ${html.slice(0, 200)} (${[...any, ...all][0]?.message ?? ''})`))
}

/**
 * What scrolls by itself and cannot be reached by keyboard. axe asks only what is too wide or too high at the moment, which depends on how long the values are:
 * this asks every box that would scroll, so narrow and wide values give the same answer.
 */
function unreachableScrollers(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const scrolls = (value: string): boolean => value === 'auto' || value === 'scroll'
    const isReachable = (element: Element): boolean => {
      const stops = [element, ...element.querySelectorAll('[tabindex], a[href], button, input, select, textarea')]
      return stops.some((stop) => stop instanceof HTMLElement && stop.tabIndex >= 0 && !stop.hasAttribute('disabled'))
    }
    return [...document.querySelectorAll('body *')]
      .filter((element) => {
        const { overflowX, overflowY, visibility } = getComputedStyle(element)
        const isShown = element.getClientRects().length > 0 && visibility === 'visible'
        return isShown && (scrolls(overflowX) || scrolls(overflowY)) && !isReachable(element)
      })
      .map((element) => `${element.tagName.toLowerCase()}.${element.className}`)
  })
}

/** Things that move, or fade in, have the colours of a moment. */
async function untilStill(page: Page): Promise<void> {
  await page.waitForFunction(() =>
    document.getAnimations().every(({ playState, effect }) => playState !== 'running' || effect?.getTiming().iterations === Number.POSITIVE_INFINITY),
  )
}

// The pages are the same for every cluster; only the IDs in their paths are not known yet.
const NAMES = picturesOf({ editedJobId: '', liveInstanceId: '', largeInstanceId: '', failedInstanceId: '', waitingInstanceId: '' }).map(({ name }) => name)

it.each(NAMES)('the page %s has no serious finding of axe, in light and in dark, and does not scroll sideways on a phone', async (name) => {
  const picture = picturesOf(data).find((each) => each.name === name)
  if (picture === undefined) throw new Error(`there is no page ${name}`)
  const page = await openPage(browser(), picture.isSignedOut === true ? {} : { token })
  await page.emulateMedia({ colorScheme: 'light' })
  await page.goto(`${cluster().url}${picture.path}`)
  await picture.prepare(page)
  await untilStill(page)
  // Evaluated by the debugger, which the page's Content-Security-Policy does not concern.
  await page.evaluate(axe)
  expect(await seriousFindings(page)).toEqual([])
  expect(await unreachableScrollers(page)).toEqual([])
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.waitForFunction(() => document.documentElement.style.colorScheme === 'dark')
  await untilStill(page)
  expect(await seriousFindings(page, COLOUR_RULES)).toEqual([])

  // So narrow that every table scrolls.
  await page.setViewportSize(PHONE)
  await untilStill(page)
  expect(await seriousFindings(page, ['scrollable-region-focusable'])).toEqual([])
  if (picture.onPhone === true) expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(PHONE.width)
})

it('for who wants no motion nothing moves, and menus open where they can be reached', async () => {
  const page = await openPage(browser(), { token, isStill: true })
  await page.goto(`${cluster().url}/jobs`)
  await page.getByRole('button', { name: /Signed in as/ }).click()
  await page.getByRole('menuitem', { name: /Change password/ }).click()
  const dialog = page.getByRole('dialog', { name: 'Change password' })
  await dialog.waitFor()
  expect(await page.evaluate(() => document.getAnimations().length)).toBe(0)
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'hidden' })
})
