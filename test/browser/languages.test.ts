import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPO_ROOT } from '@jobtrail/deploy/paths'
import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { openPage, useBrowser, watchErrors } from '../support/browser.js'
import { useCluster } from '../support/cluster.js'
import { createAndRun, shellJob, waitForSealed } from '../support/factories.js'

const cluster = useCluster({ servers: 2, workers: 1 })
const browser = useBrowser({ keepsPages: true })

type Texts = { [key: string]: string | Texts }

function textsOf(language: string): Map<string, string> {
  const found = new Map<string, string>()
  const walk = (texts: Texts, path: string): void => {
    for (const [key, text] of Object.entries(texts)) {
      if (typeof text === 'string') found.set(path + key, text)
      else walk(text, `${path}${key}.`)
    }
  }
  const dir = join(REPO_ROOT, 'console/src/locales', language)
  for (const file of readdirSync(dir)) walk(JSON.parse(readFileSync(join(dir, file), 'utf8')) as Texts, `${file}:`)
  return found
}

/** Whole texts of the English console, but for those that Chinese uses too, such as `Cron`. */
function onlyEnglish(): Set<string> {
  const chinese = new Set(textsOf('zh').values())
  return new Set([...textsOf('en').values()].filter((text) => !chinese.has(text)))
}

/** What a page shows or says to a screen reader, piece by piece. */
function piecesOf(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const pieces: string[] = []
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode())
      if (node.parentElement?.checkVisibility() === true) pieces.push(node.textContent ?? '')
    for (const element of document.querySelectorAll('[aria-label],[title],[placeholder]'))
      pieces.push(...['aria-label', 'title', 'placeholder'].map((name) => element.getAttribute(name) ?? ''))
    return pieces.map((piece) => piece.trim()).filter((piece) => piece !== '')
  })
}

it('every page is in Chinese for who reads Chinese', async () => {
  const api = await cluster().api()
  const { job, instanceId } = await createAndRun(api, shellJob('echo one; exit 3'))
  await waitForSealed(api, instanceId)
  const english = onlyEnglish()
  expect(english).toContain('Sign in')
  const page = await openPage(browser(), { token: api.token ?? '', language: 'zh' })
  const errors = watchErrors(page)
  const settings = ['users', 'namespaces', 'api-tokens', 'worker-tokens', 'retention', 'audit'].map((section) => `/settings/${section}`)
  const paths = ['/', '/jobs', '/jobs/new', `/jobs/${job.id}`, `/jobs/${job.id}/revisions`, '/instances', `/instances/${instanceId}`, '/workers', '/servers']
  for (const path of [...paths, ...settings, '/no-such-page']) {
    await page.goto(`${cluster().url}${path}`)
    await page.getByRole('navigation', { name: '主导航' }).waitFor()
    await page.waitForLoadState('networkidle')
    const pieces = await piecesOf(page)
    expect({ path, english: pieces.filter((piece) => english.has(piece)) }).toEqual({ path, english: [] })
    expect(
      pieces.some((piece) => /\p{Script=Han}/u.test(piece)),
      path,
    ).toBe(true)
  }
  expect(await page.evaluate(() => document.documentElement.lang)).toMatch(/^zh/)
  expect(errors).toEqual([])
})

it('what the server and the date picker say is in Chinese too', async () => {
  const api = await cluster().api()
  const { instanceId } = await createAndRun(api, shellJob('true', { routing: { group: 'nowhere', tags: [] } }))
  const page = await openPage(browser(), { token: api.token ?? '', language: 'zh' })
  await page.goto(`${cluster().url}/instances/${instanceId}`)
  await page.getByText('分组 nowhere 中没有已连接的执行器').waitFor()
  await page.goto(`${cluster().url}/jobs/${instanceId}`)
  await page.getByText('不存在或已被删除').waitFor()
  await page.goto(`${cluster().url}/instances?range=custom`)
  await page.locator('.ant-picker').click()
  const days = page.locator('.ant-picker-content th').first()
  await days.waitFor()
  expect(await days.textContent()).toMatch(/\p{Script=Han}/u)

  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: '语言' }).click()
  await page.getByRole('menuitem', { name: 'English' }).click()
  await page.getByRole('heading', { name: 'Runs', level: 1 }).waitFor()
  await page.locator('.ant-picker').click()
  await days.getByText('Su').waitFor()
})

it('the switch of the language keeps the page, and is remembered', async () => {
  const page = await openPage(browser(), { token: (await cluster().api()).token ?? '' })
  await page.goto(`${cluster().url}/jobs?state=enabled`)
  await page.getByRole('heading', { name: 'Jobs', level: 1 }).waitFor()
  await page.getByRole('button', { name: 'Language' }).click()
  await page.getByRole('menuitem', { name: '中文' }).click()
  await page.getByRole('heading', { name: '任务', level: 1 }).waitFor()
  expect(new URL(page.url()).searchParams.get('state')).toBe('enabled')
  await page.reload()
  await page.getByRole('heading', { name: '任务', level: 1 }).waitFor()
  expect(await page.evaluate(() => document.documentElement.lang)).toMatch(/^zh/)
})

it('a wrong cron expression is explained in Chinese, at its field', async () => {
  const page = await openPage(browser(), { token: (await cluster().api()).token ?? '', language: 'zh' })
  await page.goto(`${cluster().url}/jobs/new`)
  await page.getByLabel('Cron 表达式').fill('61 * * * *')
  await page.keyboard.press('Tab')
  await page.getByText('“分”不能是“61”').first().waitFor()
})
