import { expect, test } from 'vitest'
import { openPage, useBrowser, watchErrors } from '../support/browser.js'
import { useCluster } from '../support/cluster.js'
import { LogPanel } from '../support/console-pages.js'
import { commandJob, createAndRun, waitForEnd, waitForInstance } from '../support/factories.js'

const cluster = useCluster({ servers: 2, workers: 1 })
const browser = useBrowser()

test('a log that is written faster than anybody reads is followed at its end, in whole windows of text', async () => {
  const api = await cluster().api()
  // More than it gets to print: the run is cancelled.
  const { instanceId } = await createAndRun(api, commandJob('seq', ['1', '50000000']))
  await waitForInstance(api, instanceId, 'has printed much', ({ log }) => log.lines > 10_000)
  const log = await LogPanel.open(await openPage(browser(), api.token === undefined ? {} : { token: api.token }), cluster().url, instanceId)
  const errors = watchErrors(log.page)

  let last = -1
  for (const more of [0, 50_000, 50_000]) {
    const shown = await log.inView(last + more)
    expect(shown.length).toBeGreaterThan(5)
    expect(shown).toEqual(shown.map((_, i) => ({ n: (shown[0]?.n ?? 0) + i, text: String((shown[0]?.n ?? 0) + i + 1) })))
    last = shown.at(-1)?.n ?? 0
  }
  await log.badge('Open').waitFor()
  expect(errors).toEqual([])
  await api.post(`/api/instances/${instanceId}/cancel`)
  await waitForEnd(api, instanceId)
})
