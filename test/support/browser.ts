import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { aptInstall, canAptInstall } from '@jobtrail/deploy/apt'
import { findProgram } from '@jobtrail/deploy/command'
import { REPO_ROOT } from '@jobtrail/deploy/paths'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll } from 'vitest'

/** First the one without a user interface: a new context costs it half as much. */
const NAMES = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const LAUNCH_TIMEOUT_MS = 60_000
const ACTION_TIMEOUT_MS = 20_000
const LEAVE_TIMEOUT_MS = 5_000
const DESKTOP = { width: 1280, height: 800 }
/** A name of this machine that browsers do not take for it: over plain HTTP a page from there is no secure context, as from any other machine. */
export const OTHER_MACHINE = 'jobtrail.test'
/** Without a sandbox, as tests in containers run as root; and without calls to the browser's maker. */
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  `--host-resolver-rules=MAP ${OTHER_MACHINE} 127.0.0.1`,
  '--enable-precise-memory-info',
]

/** What a page looks like to its user. */
export interface PageOptions {
  /** Signed in with this session token; without one the sign-in page comes first. */
  token?: string
  language?: 'en' | 'zh'
  isDark?: boolean
  /** Its user wants no animations. */
  isStill?: boolean
  /** CSS pixels; 1280 × 800 when left out. */
  viewport?: { width: number; height: number }
}

/** The browser of `JOBTRAIL_CHROMIUM`, else on PATH, else installed with apt-get; an error that says so where none of them is possible. */
export async function findChromium(): Promise<string> {
  const given = process.env['JOBTRAIL_CHROMIUM'] || undefined
  if (given !== undefined) return given
  const find = (): string | undefined => NAMES.map(findProgram).find((path) => path !== undefined)
  const installed = find()
  if (installed !== undefined) return installed
  if (canAptInstall()) await aptInstall(['chromium-headless-shell'])
  const path = find()
  if (path === undefined) throw new Error('The browser tests need Chromium: install it, or set JOBTRAIL_CHROMIUM to the path of its program')
  return path
}

/** A headless browser with a profile of its own; the caller closes it. Scroll bars, which headless browsers leave out, can be dragged when they are asked for. */
export async function launchBrowser(options: { hasScrollBars?: boolean } = {}): Promise<Browser> {
  return chromium.launch({
    executablePath: await findChromium(),
    args: ARGUMENTS,
    timeout: LAUNCH_TIMEOUT_MS,
    ...(options.hasScrollBars === true ? { ignoreDefaultArgs: ['--hide-scrollbars'] } : {}),
  })
}

/** Pages that tests before have left, by what they look like to their user. */
const leftPages = new WeakMap<Browser, Map<string, Page[]>>()
const optionsOf = new WeakMap<BrowserContext, PageOptions>()
const keyOf = ({ token, language, isDark, isStill, viewport }: PageOptions): string => JSON.stringify([token, language, isDark, isStill, viewport])

/** A page in a context of its own: nothing is shared with other pages but the servers. */
export async function openPage(browser: Browser, options: PageOptions = {}): Promise<Page> {
  const left = leftPages.get(browser)?.get(keyOf(options))?.pop()
  if (left !== undefined) return left
  const context = await browser.newContext({
    viewport: options.viewport ?? DESKTOP,
    reducedMotion: options.isStill === true ? 'reduce' : 'no-preference',
    colorScheme: options.isDark === true ? 'dark' : 'light',
    locale: options.language === 'zh' ? 'zh-CN' : 'en-GB',
    timezoneId: 'Europe/Berlin',
    permissions: ['clipboard-read', 'clipboard-write'],
  })
  optionsOf.set(context, options)
  context.setDefaultTimeout(ACTION_TIMEOUT_MS)
  if (options.token !== undefined) {
    await context.addInitScript((token) => localStorage.setItem('jobtrail.session', token), options.token)
  }
  return context.newPage()
}

/** What a page did that it must not: exceptions, and what the browser wrote to its console as an error. */
export function watchErrors(page: Page): string[] {
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(`${error.name}: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text())
  })
  return errors
}

/**
 * A browser for the tests of a file; the pages of a failed test are kept as pictures, and all of them are closed after each test.
 * With `keepsPages` they are emptied and given to the next test that asks for such a page: one that has loaded the console once loads it again in half the time.
 * Not for tests that give a page functions or scripts of their own, which stay.
 */
export function useBrowser({ keepsPages = false } = {}): () => Browser {
  let browser: Browser | undefined
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 12 * 60_000)
  afterEach(async ({ task }) => {
    const contexts: BrowserContext[] = browser?.contexts() ?? []
    const hasFailed = task.result?.state === 'fail'
    if (hasFailed) await keepPictures(contexts, task.name)
    const left = new Map<string, Page[]>()
    await Promise.all(
      contexts.map(async (context) => {
        const [page, ...others] = context.pages()
        const options = optionsOf.get(context)
        const isLeft = keepsPages && !hasFailed && page !== undefined && others.length === 0 && options !== undefined && (await leave(page, options))
        if (!isLeft) return context.close()
        left.set(keyOf(options), [...(left.get(keyOf(options)) ?? []), page])
      }),
    )
    if (browser !== undefined) leftPages.set(browser, left)
  })
  afterAll(async () => {
    await browser?.close()
  })
  return () => {
    if (browser === undefined) throw new Error('the browser is there only while tests run')
    return browser
  }
}

/** Leaves the console for something of the same server that does nothing, with nothing stored. False: the page is of no more use. */
async function leave(page: Page, { viewport = DESKTOP }: PageOptions): Promise<boolean> {
  try {
    await page.unrouteAll({ behavior: 'ignoreErrors' })
    await page.goto(new URL('/health/live', page.url()).href, { timeout: LEAVE_TIMEOUT_MS })
    await page.evaluate(() => {
      localStorage.clear()
      sessionStorage.clear()
    })
    await page.context().clearCookies()
    await page.setViewportSize(viewport)
    return true
  } catch {
    // Of a server that is gone, or it never was anywhere.
    return false
  }
}

async function keepPictures(contexts: readonly BrowserContext[], name: string): Promise<void> {
  const dir = join(REPO_ROOT, 'test/results/browser')
  await mkdir(dir, { recursive: true })
  const pages = contexts.flatMap((context) => context.pages())
  for (const [index, page] of pages.entries()) {
    const path = join(dir, `${name.replaceAll(/[^\w]+/g, '-').slice(0, 80)}-${index}.png`)
    await page.screenshot({ path, timeout: 5_000 }).then(
      () => process.stderr.write(`picture of the page: ${path}\n`),
      (error: unknown) => process.stderr.write(`no picture of the page: ${String(error)}\n`),
    )
  }
}
