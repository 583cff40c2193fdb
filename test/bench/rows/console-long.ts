import type { Page } from 'playwright-core'
import { LogPanel } from '../../support/console-pages.js'
import type { Cluster } from '../../support/cluster.js'
import type { Bench } from '../harness/bench.js'
import { clickToPainted, framesDuring, heldHeapBytes, withConsole } from '../harness/console.js'
import { type LongLog, printLongLog } from '../harness/long-log.js'
import { figure, type Row } from '../harness/row.js'
import { percentile } from '../harness/statistics.js'

const CLICKS = 10
const WHEEL_TURNS = 300
const DRAG_STEPS = 300
const MIB = 2 ** 20

interface LongRun {
  openMs: number[]
  loadMs: number
  wheel: number[]
  drag: number[]
  blank: number[]
  peakMib: number
  heldMib: number
}

export const consoleLongRow: Row = {
  id: 'console-long',
  what: 'a log of 1,000,000 lines in the console (headless Chromium, through the load balancer)',
  async measure(bench) {
    const runs = await bench.withCluster({}, async (cluster) => {
      const log = await printLongLog(bench, cluster)
      return bench.repeat('long log in the console', () => measureOnce(bench, cluster, log))
    })
    return [
      figure(runs, 'click on the run → first rows painted, p50', 'ms', ({ openMs }) => percentile(openMs, 0.5), { atMost: 1_000 }),
      figure(runs, 'the same, slowest (with the first of a new browser)', 'ms', ({ openMs }) => percentile(openMs, 1)),
      figure(runs, 'its address in a new tab → first rows', 'ms', ({ loadMs }) => loadMs),
      figure(runs, 'frames while the wheel turns, p50', 'ms', ({ wheel }) => percentile(wheel, 0.5)),
      figure(runs, 'the same, p99', 'ms', ({ wheel }) => percentile(wheel, 0.99), { atMost: 50 }),
      figure(runs, 'the same, longest', 'ms', ({ wheel }) => percentile(wheel, 1)),
      figure(runs, 'frames while the scroll bar is dragged across the log, p50', 'ms', ({ drag }) => percentile(drag, 0.5)),
      figure(runs, 'the same, p99', 'ms', ({ drag }) => percentile(drag, 0.99), { atMost: 50 }),
      figure(runs, 'the same, longest', 'ms', ({ drag }) => percentile(drag, 1)),
      figure(runs, 'frames of an empty page while the wheel turns, p99', 'ms', ({ blank }) => percentile(blank, 0.99)),
      figure(runs, 'heap at its peak meanwhile', 'MiB', ({ peakMib }) => peakMib, { atMost: 150 }),
      figure(runs, 'heap afterwards, garbage collected', 'MiB', ({ heldMib }) => heldMib),
    ]
  },
}

function measureOnce(bench: Bench, cluster: Cluster, log: LongLog): Promise<LongRun> {
  return withConsole(cluster, async (page, browser) => {
    const openMs: number[] = []
    for (let click = 0; click < CLICKS; click++) openMs.push(await clickToPainted(page, log.instanceId))
    const loadMs = await load(await page.context().newPage(), cluster, log)
    const panel = await LogPanel.open(page, cluster.url, log.instanceId)
    await panel.inView()
    await panel.text.hover()
    const turns = bench.scaled(WHEEL_TURNS)
    const wheel = await framesDuring(page, () => turnWheel(page, turns))
    const drag = await framesDuring(page, () => dragBar(panel, bench.scaled(DRAG_STEPS)))
    const heldMib = (await heldHeapBytes(page)) / MIB
    const empty = await browser.newPage()
    const blank = await framesDuring(empty, () => turnWheel(empty, turns))
    return {
      openMs,
      loadMs,
      wheel: wheel.frames,
      drag: drag.frames,
      blank: blank.frames,
      peakMib: Math.max(wheel.peakHeapBytes, drag.peakHeapBytes) / MIB,
      heldMib,
    }
  })
}

/** Milliseconds from the address to the first rows, all of the console being fetched or in the browser's cache. */
async function load(page: Page, cluster: Cluster, log: LongLog): Promise<number> {
  const startedAt = performance.now()
  await page.goto(`${cluster.url}/instances/${log.instanceId}`)
  await new LogPanel(page).rows.first().waitFor()
  const ms = performance.now() - startedAt
  await page.close()
  return ms
}

/** Up through the log, with turns of different strength. */
async function turnWheel(page: Page, turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await page.mouse.wheel(0, turn % 10 === 0 ? -3_000 : -240)
}

/** From the end of the log to its start and back, all in the same pull. */
async function dragBar(panel: LogPanel, steps: number): Promise<void> {
  const { page } = panel
  await panel.press('G')
  const box = await panel.text.boundingBox()
  if (box === null) throw new Error('the log is not in view')
  const x = box.x + box.width - 6
  const [top, bottom] = [box.y + 20, box.y + box.height - 20]
  await page.mouse.move(x, bottom)
  await page.mouse.down()
  await page.mouse.move(x, top, { steps: steps / 2 })
  const { n } = (await panel.inView())[0] ?? { n: Infinity }
  await page.mouse.move(x, bottom, { steps: steps / 2 })
  await page.mouse.up()
  if (n > 100_000) throw new Error(`the scroll bar was dragged to its upper end and line ${n} was in view`)
}
