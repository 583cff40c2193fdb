import { LogPage } from '@jobtrail/api/logs'
import { pageCeiling } from '../ceilings.js'
import { rolesOf } from '../harness/cluster-roles.js'
import { HttpClient } from '../harness/http-client.js'
import { type LongLog, printLongLog } from '../harness/long-log.js'
import { figure, type Row } from '../harness/row.js'
import { percentile } from '../harness/statistics.js'

const PAGE_LINES = 1_000
const PAGES = 600
const WARM_UP_PAGES = 200

export const pageRow: Row = {
  id: 'page',
  what: 'page of 1,000 lines anywhere in a log of 1,000,000, over HTTP from a server',
  async measure(bench) {
    const runs = await bench.withCluster({}, async (cluster) => {
      const log = await printLongLog(bench, cluster)
      const { far } = await rolesOf(cluster)
      const http = new HttpClient(await cluster.api(far.url), 1)
      try {
        await readPages(http, log, placesIn(log, WARM_UP_PAGES))
        return await bench.repeat('pages of 1,000 lines', async () => {
          const places = placesIn(log, bench.scaled(PAGES))
          const driver = await pageCeiling(bench.mongo.db(log.database.databaseName), log.instanceId, places, PAGE_LINES)
          return { driver, served: await readPages(http, log, places) }
        })
      } finally {
        http.close()
      }
    })
    return [
      figure(runs, 'p50', 'ms', ({ served }) => percentile(served, 0.5)),
      figure(runs, 'p99', 'ms', ({ served }) => percentile(served, 0.99), { atMost: 20 }),
      figure(runs, 'p50 of the driver reading the same chunks', 'ms', ({ driver }) => percentile(driver, 0.5)),
      figure(runs, 'p99 of the driver reading the same chunks', 'ms', ({ driver }) => percentile(driver, 0.99)),
    ]
  },
}

function placesIn(log: LongLog, count: number): number[] {
  return Array.from({ length: count }, () => Math.floor(Math.random() * (log.lines - PAGE_LINES)))
}

/** Milliseconds to the last byte of each page, one after another. */
async function readPages(http: HttpClient, log: LongLog, places: readonly number[]): Promise<number[]> {
  const times: number[] = []
  for (const from of places) {
    const { body, ms } = await http.get(`/api/instances/${log.instanceId}/logs?from=${from}&limit=${PAGE_LINES}`)
    times.push(ms)
    // Every hundredth is looked into: it has to be the right page.
    if (times.length % 100 === 1) check(LogPage.parse(JSON.parse(body.toString())), from)
  }
  return times
}

function check({ lines }: LogPage, from: number): void {
  if (lines.length !== PAGE_LINES || lines[0]?.n !== from) throw new Error(`the page at line ${from} has ${lines.length} lines from ${lines[0]?.n}`)
}
