import type { Browser, CDPSession, Page } from 'playwright-core'
import { launchBrowser, openPage } from '../../support/browser.js'
import type { Cluster } from '../../support/cluster.js'
import { machineMs } from './clock.js'

const CLOCK_TRIES = 20
const PAINT_TIMEOUT_MS = 60_000

/** A headless Chromium for the length of `use`, and an admin's page of the list of runs in it, through the load balancer. */
export async function withConsole<T>(cluster: Cluster, use: (page: Page, browser: Browser) => Promise<T>): Promise<T> {
  const browser = await launchBrowser({ hasScrollBars: true })
  try {
    const { token } = await cluster.api()
    const page = await openPage(browser, token === undefined ? {} : { token })
    await page.goto(`${cluster.url}/instances`)
    return await use(page, browser)
  } finally {
    await browser.close()
  }
}

/**
 * Clicks on a run in the list of runs; milliseconds from the click until its log's text is painted. The clock is the page's own: from the event's time to the frame after
 * the one that has the rows. Goes back to the list afterwards, unless told to stay.
 */
export async function clickToPainted(page: Page, instanceId: string, options: { stays?: boolean } = {}): Promise<number> {
  const link = page.locator(`a[href^="/instances/${instanceId}"]`).first()
  await link.waitFor()
  await page.evaluate((timeoutMs) => {
    const painted = new Promise<number>((resolve, reject) => {
      setTimeout(() => reject(new Error(`no line was painted within ${timeoutMs} ms`)), timeoutMs)
      const onClick = (event: MouseEvent): void => {
        const look = (): void => {
          if (document.querySelector('.lv-row:not(.lv-loading)') === null) requestAnimationFrame(look)
          else requestAnimationFrame(() => resolve(performance.now() - event.timeStamp))
        }
        look()
      }
      document.addEventListener('click', onClick, { capture: true, once: true })
    })
    Object.assign(window, { benchPainted: painted })
  }, PAINT_TIMEOUT_MS)
  await link.click()
  const ms = await page.evaluate(() => (window as unknown as { benchPainted: Promise<number> }).benchPainted)
  if (options.stays !== true) await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Runs' }).click()
  return ms
}

/** What to add to the time of the page (`performance.timeOrigin + performance.now()`) to have that of {@link machineMs}; right to half of the quickest answer, below 1 ms. */
export async function clockOffset(page: Page): Promise<number> {
  let best = { took: Infinity, offset: Number.NaN }
  for (let tries = 0; tries < CLOCK_TRIES; tries++) {
    const before = machineMs()
    const there = await page.evaluate(() => performance.timeOrigin + performance.now())
    const took = machineMs() - before
    if (took < best.took) best = { took, offset: before + took / 2 - there }
  }
  return best.offset
}

/** Milliseconds between frames of the page while `work` goes on, and the most bytes that its scripts held. */
export async function framesDuring(page: Page, work: () => Promise<void>): Promise<{ frames: number[]; peakHeapBytes: number }> {
  await page.evaluate(() => {
    const seen = { frames: [] as number[], peakHeapBytes: 0, isOver: false }
    let before = performance.now()
    const frame = (): void => {
      const now = performance.now()
      seen.frames.push(now - before)
      before = now
      const { memory } = performance as unknown as { memory: { usedJSHeapSize: number } }
      seen.peakHeapBytes = Math.max(seen.peakHeapBytes, memory.usedJSHeapSize)
      if (!seen.isOver) requestAnimationFrame(frame)
    }
    requestAnimationFrame(frame)
    Object.assign(window, { benchFrames: seen })
  })
  await work()
  return page.evaluate(() => {
    const { benchFrames } = window as unknown as { benchFrames: { frames: number[]; peakHeapBytes: number; isOver: boolean } }
    benchFrames.isOver = true
    return { frames: benchFrames.frames, peakHeapBytes: benchFrames.peakHeapBytes }
  })
}

/** Bytes that the page's scripts hold once all garbage is collected. */
export async function heldHeapBytes(page: Page): Promise<number> {
  const session: CDPSession = await page.context().newCDPSession(page)
  try {
    await session.send('HeapProfiler.collectGarbage')
    return (await session.send('Runtime.getHeapUsage')).usedSize
  } finally {
    await session.detach()
  }
}
