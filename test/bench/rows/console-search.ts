import { LogSearchPage } from '@jobtrail/api/logs'
import type { Page } from 'playwright-core'
import { LogPanel } from '../../support/console-pages.js'
import type { Cluster } from '../../support/cluster.js'
import { searchCeiling } from '../ceilings.js'
import type { Bench } from '../harness/bench.js'
import { withConsole } from '../harness/console.js'
import { HttpClient } from '../harness/http-client.js'
import { type LongLog, printLongLog } from '../harness/long-log.js'
import { figure, type Row } from '../harness/row.js'

const TIMEOUT_MS = 60_000

interface SearchRun {
  consoleMs: number
  apiMs: number
  ceilingMs: number
}

export const consoleSearchRow: Row = {
  id: 'console-search',
  what: 'search of 1,000,000 lines for a rare word',
  async measure(bench) {
    const { lines: fileLines } = await bench.corpusFile()
    const runs = await bench.withCluster({}, async (cluster) => {
      const log = await printLongLog(bench, cluster)
      return bench.repeat('search', (run) => measureOnce(bench, cluster, log, fileLines, run))
    })
    return [
      figure(runs, 'Enter in the console → all matches counted', 'ms', ({ consoleMs }) => consoleMs, { atMost: 1_500 }),
      figure(runs, 'API alone, all its calls', 'ms', ({ apiMs }) => apiMs),
      figure(runs, 'the driver reading all chunks and a plain scan of them', 'ms', ({ ceilingMs }) => ceilingMs),
      figure(runs, 'of that', '%', ({ apiMs, ceilingMs }) => (100 * ceilingMs) / apiMs),
    ]
  },
}

async function measureOnce(bench: Bench, cluster: Cluster, log: LongLog, fileLines: number, run: number): Promise<SearchRun> {
  // Each line of the printed file has its number in brackets: once in each of the file's copies.
  const word = `[${Math.floor(fileLines / 2) + run}]`
  const wanted = log.lines / fileLines
  const consoleMs = await withConsole(cluster, async (page) => {
    const panel = await LogPanel.open(page, cluster.url, log.instanceId)
    await panel.inView()
    return searchInConsole(page, panel, word, wanted)
  })
  const apiMs = await searchByApi(cluster, log, word, wanted)
  const ceiling = await searchCeiling(bench.mongo.db(log.database.databaseName), log.instanceId, word)
  if (ceiling.matches !== wanted) throw new Error(`the driver found ${ceiling.matches} matches and not ${wanted}`)
  return { consoleMs, apiMs, ceilingMs: ceiling.ms }
}

/** Milliseconds from the key to the frame after the one that says how many matches the whole log has. */
async function searchInConsole(page: Page, panel: LogPanel, word: string, wanted: number): Promise<number> {
  const field = panel.root.getByRole('search').getByRole('textbox')
  await field.focus()
  await page.evaluate(
    ({ text, timeoutMs }) => {
      const counted = new Promise<number>((resolve, reject) => {
        setTimeout(() => reject(new Error(`the search did not end within ${timeoutMs} ms`)), timeoutMs)
        const onKey = (event: KeyboardEvent): void => {
          if (event.key !== 'Enter') return
          document.removeEventListener('keydown', onKey, true)
          const look = (): void => {
            // While it searches, the share that is done stands behind the number.
            if (document.querySelector('.lv-search [role=status]')?.textContent !== text) requestAnimationFrame(look)
            else requestAnimationFrame(() => resolve(performance.now() - event.timeStamp))
          }
          look()
        }
        document.addEventListener('keydown', onKey, true)
      })
      Object.assign(window, { benchCounted: counted })
    },
    { text: `${wanted} matches`, timeoutMs: TIMEOUT_MS },
  )
  // Pasted, not typed: a pause in typing would begin the search.
  await page.keyboard.insertText(word)
  await page.keyboard.press('Enter')
  return page.evaluate(() => (window as unknown as { benchCounted: Promise<number> }).benchCounted)
}

async function searchByApi(cluster: Cluster, log: LongLog, word: string, wanted: number): Promise<number> {
  const http = new HttpClient(await cluster.api(), 1)
  try {
    const startedAt = performance.now()
    let matches = 0
    for (let from: number | null = 0; from !== null && from < log.lines;) {
      const { body } = await http.get(`/api/instances/${log.instanceId}/logs/search?q=${encodeURIComponent(word)}&from=${from}&lines=false`)
      const page: LogSearchPage = LogSearchPage.parse(JSON.parse(body.toString()))
      matches += page.matches.length
      from = page.next
    }
    const ms = performance.now() - startedAt
    if (matches !== wanted) throw new Error(`the API found ${matches} matches and not ${wanted}`)
    return ms
  } finally {
    http.close()
  }
}
