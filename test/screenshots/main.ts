import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startBalancer } from '@jobtrail/deploy/balancer'
import { startReplicaSet } from '@jobtrail/deploy/mongod'
import { displayPath, REPO_ROOT } from '@jobtrail/deploy/paths'
import { killChildrenOnSignals } from '@jobtrail/deploy/process'
import { startRedis } from '@jobtrail/deploy/redis'
import type { Browser } from 'playwright-core'
import { launchBrowser, openPage, type PageOptions } from '../support/browser.js'
import { Cluster } from '../support/cluster.js'
import { type Picture, picturesOf } from './pictures.js'
import { makeSampleData } from './sample-data.js'

const FOLDER = join(REPO_ROOT, 'test/results/screenshots')
const PHONE = { width: 390, height: 844 }
/** Tables and charts move for a moment when they appear. */
const SETTLE_MS = 700

/** Two servers, a load balancer and a worker on data of their own; all of it is gone afterwards. */
async function withProduct(use: (cluster: Cluster) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'jobtrail-screenshots-'))
  const name = `jobtrail-${randomBytes(4).toString('hex')}`
  const [replicaSet, redis] = await Promise.all([startReplicaSet({ dir: join(dir, 'mongo') }), startRedis({ dir: join(dir, 'redis') })])
  const parts = { dir, database: name, mongodbUri: replicaSet.uri(name), redisUrl: redis.url, keyPrefix: name, replicaSet, redis }
  const cluster = new Cluster(parts, {})
  try {
    await Promise.all([cluster.addServer(), cluster.addServer()])
    cluster.balancer = await startBalancer({ dir: join(dir, 'balancer'), upstreams: cluster.servers.map(({ port }) => `127.0.0.1:${port}`) })
    await cluster.addWorker()
    await cluster.waitForWorkers()
    await use(cluster)
  } finally {
    await cluster.stop()
    await rm(dir, { recursive: true, force: true })
  }
}

async function take(browser: Browser, baseUrl: string, picture: Picture, options: PageOptions, suffix: string): Promise<void> {
  const file = join(FOLDER, `${picture.name}-${suffix}.png`)
  const page = await openPage(browser, options)
  try {
    await page.goto(`${baseUrl}${picture.path}`)
    await picture.prepare(page)
    await page.waitForTimeout(SETTLE_MS)
  } finally {
    // Also of a page that is not as it was expected: the picture tells why.
    await page.screenshot({ path: file })
    await page.context().close()
  }
  process.stdout.write(`${displayPath(file)}\n`)
}

/** `names`: only these pictures; all of them when empty. */
async function main(names: readonly string[]): Promise<void> {
  await mkdir(FOLDER, { recursive: true })
  await withProduct(async (cluster) => {
    const api = await cluster.api()
    const data = await makeSampleData(api)
    const browser = await launchBrowser()
    try {
      for (const picture of picturesOf(data).filter(({ name }) => names.length === 0 || names.includes(name))) {
        const signedIn = picture.isSignedOut === true ? {} : { token: api.token ?? '' }
        await take(browser, cluster.url, picture, signedIn, 'light')
        await take(browser, cluster.url, picture, { ...signedIn, isDark: true }, 'dark')
        if (picture.onPhone === true) await take(browser, cluster.url, picture, { ...signedIn, viewport: PHONE }, 'phone')
      }
    } finally {
      await browser.close()
    }
  })
}

killChildrenOnSignals()
await main(process.argv.slice(2))
