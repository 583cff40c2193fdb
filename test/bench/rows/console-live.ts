import { waitFor } from '@jobtrail/deploy/wait'
import { InstanceDetail } from '@jobtrail/api/instances'
import type { Page } from 'playwright-core'
import type { Cluster } from '../../support/cluster.js'
import type { Bench } from '../harness/bench.js'
import { machineMs } from '../harness/clock.js'
import { clickToPainted, clockOffset, framesDuring, withConsole } from '../harness/console.js'
import { programPath } from '../harness/program.js'
import { figure, type Row } from '../harness/row.js'
import { defineJob, runMany } from '../harness/runs.js'
import { percentile } from '../harness/statistics.js'

const CLICKS = 10
const SLOW = { linesPerSecond: 20, seconds: 15 }
const FLOOD = { linesPerSecond: 100_000, seconds: 10 }
/** The run outlives what is measured of it. */
const SPARE_SECONDS = 60

interface LiveRun {
  firstClickMs: number
  clickMs: number[]
  paintedMs: number[]
  floodFrames: number[]
  blankFrames: number[]
}

export const consoleLiveRow: Row = {
  id: 'console-live',
  what: 'log of a running run in the console (headless Chromium, through the load balancer)',
  async measure(bench) {
    const runs = await bench.withCluster({ slots: 4 }, (cluster) => bench.repeat('live log in the console', () => measureOnce(bench, cluster)))
    return [
      figure(runs, 'click on the run → first line painted, p50', 'ms', ({ clickMs }) => percentile(clickMs, 0.5), { atMost: 500 }),
      figure(runs, 'the same, slowest', 'ms', ({ clickMs }) => percentile(clickMs, 1)),
      figure(runs, 'the same, first click of a new browser', 'ms', ({ firstClickMs }) => firstClickMs),
      figure(runs, 'line written → painted at 20 lines/s, p50', 'ms', ({ paintedMs }) => percentile(paintedMs, 0.5), { atMost: 200 }),
      figure(runs, 'the same, p99', 'ms', ({ paintedMs }) => percentile(paintedMs, 0.99)),
      figure(runs, 'frames while it prints 100,000 lines/s, p50', 'ms', ({ floodFrames }) => percentile(floodFrames, 0.5)),
      figure(runs, 'the same, p99', 'ms', ({ floodFrames }) => percentile(floodFrames, 0.99)),
      figure(runs, 'frames of an empty page, same load, p99', 'ms', ({ blankFrames }) => percentile(blankFrames, 0.99)),
    ]
  },
}

async function measureOnce(bench: Bench, cluster: Cluster): Promise<LiveRun> {
  const slow = await startPrinter(cluster, SLOW.linesPerSecond, SLOW.seconds + SPARE_SECONDS)
  const first = await withConsole(cluster, async (page) => {
    const firstClickMs = await clickToPainted(page, slow)
    const clickMs: number[] = []
    for (let click = 0; click < CLICKS; click++) clickMs.push(await clickToPainted(page, slow))
    await clickToPainted(page, slow, { stays: true })
    return { firstClickMs, clickMs, paintedMs: await writtenToPainted(page, bench.scaled(SLOW.linesPerSecond * SLOW.seconds)) }
  })
  await cancel(cluster, slow)
  const flood = await startPrinter(cluster, FLOOD.linesPerSecond, FLOOD.seconds + SPARE_SECONDS)
  const frames = await withConsole(cluster, async (page, browser) => {
    const watch = (watched: Page): Promise<number[]> =>
      framesDuring(watched, () => watched.waitForTimeout(bench.scaled(FLOOD.seconds) * 1_000)).then((seen) => seen.frames)
    await clickToPainted(page, flood, { stays: true })
    const floodFrames = await watch(page)
    await page.close()
    return { floodFrames, blankFrames: await watch(await browser.newPage()) }
  })
  await cancel(cluster, flood)
  return { ...first, ...frames }
}

/** Starts a job that prints at a steady pace; gives its run once that has lines. */
async function startPrinter(cluster: Cluster, linesPerSecond: number, seconds: number): Promise<string> {
  const args = [programPath('paced-printer'), String(linesPerSecond), String(seconds)]
  const name = `paced-${linesPerSecond}-${Math.round(machineMs())}`
  const jobId = await defineJob(cluster, { name, trigger: { kind: 'manual' }, processor: { kind: 'shell', command: process.execPath, args } })
  const [instanceId = ''] = await runMany(cluster, jobId, 1)
  const api = await cluster.api()
  await waitFor(async () => (await api.get(`/api/instances/${instanceId}`, InstanceDetail)).log.lines > 0, { timeoutMs: 30_000, what: 'first lines' })
  return instanceId
}

async function cancel(cluster: Cluster, instanceId: string): Promise<void> {
  const api = await cluster.api()
  await api.post(`/api/instances/${instanceId}/cancel`)
  await waitFor(async () => (await api.get(`/api/instances/${instanceId}`, InstanceDetail)).status === 'CANCELLED', {
    timeoutMs: 60_000,
    what: 'the end of the printing run',
  })
}

/** Milliseconds from the write of each of the next lines, whose text begins with its time, to the frame after the one that has its row. */
async function writtenToPainted(page: Page, lines: number): Promise<number[]> {
  const offset = await clockOffset(page)
  const seen = await page.evaluate(
    ({ wanted, timeoutMs }) =>
      new Promise<{ written: number; painted: number }[]>((resolve, reject) => {
        const rows = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>('.lv-row:not(.lv-loading)')]
        const found: { written: number; painted: number }[] = []
        let last = Math.max(...rows().map((row) => Number(row.dataset['line'])))
        const timer = setTimeout(() => reject(new Error(`${found.length} of ${wanted} lines were painted within ${timeoutMs} ms`)), timeoutMs)
        const look = (): void => {
          const fresh = rows().filter((row) => Number(row.dataset['line']) > last)
          const written = fresh.map((row) => Number(row.querySelector('.lv-text')?.textContent?.split(' ', 1)[0]))
          last = Math.max(last, ...fresh.map((row) => Number(row.dataset['line'])))
          requestAnimationFrame(() => {
            const painted = performance.timeOrigin + performance.now()
            for (const each of written) found.push({ written: each, painted })
            if (found.length < wanted) return look()
            clearTimeout(timer)
            resolve(found)
          })
        }
        requestAnimationFrame(look)
      }),
    { wanted: lines, timeoutMs: (lines / SLOW.linesPerSecond) * 1_000 + 30_000 },
  )
  return seen.map(({ written, painted }) => painted + offset - written)
}
