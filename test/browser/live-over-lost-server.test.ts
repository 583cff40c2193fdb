import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { waitFor } from '@jobtrail/deploy/wait'
import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { launchBrowser, openPage, useBrowser } from '../support/browser.js'
import { useCluster } from '../support/cluster.js'
import { LogPanel } from '../support/console-pages.js'
import { createAndRun, rawLog, shellJob, waitForSealed } from '../support/factories.js'
import { Gate } from '../support/gate.js'
import { LogWatch } from '../support/log-watch.js'
import { readMetric } from '../support/metrics.js'
import type { ServerNode } from '../support/nodes.js'

const cluster = useCluster({ servers: 2, workers: 1 })
const browser = useBrowser()

/** Prints lines at a steady pace until the gate is opened. */
const steadyPrinter = (gate: Gate): string => `
i=0
until [ "$(cat '${gate.file}')" -ge 1 ]; do
  j=0
  while [ $j -lt 10 ]; do i=$((i + 1)); j=$((j + 1)); echo "line $i of a job that prints steadily"; done
  sleep 0.03
done
echo "the end after $i lines"`

/** The one of the servers that run which a page's live connection leads to: it has the follower. */
function serverOfFollower(): Promise<ServerNode> {
  return waitFor(
    async () => {
      const servers = cluster().servers.filter(({ isRunning }) => isRunning)
      const counts = await Promise.all(servers.map(({ url }) => readMetric(url, 'jobtrail_log_followers')))
      return counts.reduce((sum, count) => sum + count, 0) === 1 ? servers[counts.indexOf(1)] : undefined
    },
    { timeoutMs: 20_000, what: 'one server had the follower' },
  )
}

/** The whole log as its reader can have it: painted, copied and downloaded. */
async function takeAll(page: Page, log: LogPanel, total: number): Promise<{ painted: string; copied: string; downloaded: Buffer }> {
  const painted = await log.readAll(total)
  expect(painted.map(({ n }) => n)).toEqual(Array.from({ length: total }, (_, n) => n))
  await log.goTo(`1-${total}`)
  await log.root.getByRole('button', { name: /Copy$/ }).click()
  await page.getByText(/lines copied/).waitFor()
  const copied = await page.evaluate(() => navigator.clipboard.readText())
  const coming = page.waitForEvent('download')
  await log.root.getByRole('button', { name: 'Download' }).click()
  await page.getByRole('menuitem', { name: /as written/ }).click()
  return { painted: painted.map(({ text }) => `${text}\n`).join(''), copied, downloaded: await readFile(await (await coming).path()) }
}

it.each([
  ['is killed', 'SIGKILL'],
  ['leaves in good order', 'SIGTERM'],
] as const)(
  'the server that a page is connected to %s in mid-stream: every line is seen once, in order, to the end, and the same through another server',
  async (_how, signal) => {
    const gate = new Gate(join(cluster().dir, signal))
    const api = await cluster().api()
    const { instanceId } = await createAndRun(api, shellJob(steadyPrinter(gate)))
    const token = api.token ?? ''
    const page = await openPage(browser(), { token })
    const watch = await LogWatch.begin(page)
    const log = await LogPanel.open(page, cluster().url, instanceId)
    await watch.waitForLine(300)

    const lost = await serverOfFollower()
    const { last } = await watch.seen()
    await lost.kill(signal)
    await watch.waitForStates(['Live', 'Reconnecting', 'Live'])
    await watch.waitForLine(last + 500)
    expect((await serverOfFollower()).name).not.toBe(lost.name)

    gate.open()
    await log.badge('Complete and verified').waitFor()
    await waitForSealed(api, instanceId)
    const raw = await rawLog(api, instanceId)
    const lines = raw.toString().split('\n').slice(0, -1)
    expect(lines).toEqual([...lines.slice(0, -1).map((_, i) => `line ${i + 1} of a job that prints steadily`), `the end after ${lines.length - 1} lines`])
    await watch.waitForLine(lines.length - 1)
    const seen = await watch.seen()
    expect(seen.faults).toEqual([])
    expect(seen.states).not.toContain('Signed out')
    for (const [n, text] of seen.texts) expect(text).toBe(lines[n])
    const here = await takeAll(page, log, lines.length)
    expect(here.painted).toBe(raw.toString())
    expect(here.copied).toBe(raw.toString())
    expect(here.downloaded.equals(raw)).toBe(true)

    await lost.start()
    const second = await launchBrowser()
    try {
      const otherPage = await openPage(second, { token })
      const other = await LogPanel.open(otherPage, lost.url, instanceId)
      await other.badge('Complete and verified').waitFor()
      const there = await takeAll(otherPage, other, lines.length)
      expect(there).toEqual(here)
    } finally {
      await second.close()
    }
  },
)
