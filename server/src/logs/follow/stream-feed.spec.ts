import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { InstancesService } from '../../engine/instances.service.js'
import { Logger } from '../../platform/logging.js'
import { emptyTotals } from '../domain/stream-totals.js'
import { LogHoleError } from '../log-reader.service.js'
import type { LogStore } from '../log-store.js'
import type { LogStreamsService, StreamView } from '../log-streams.service.js'
import { StreamFeed } from './stream-feed.js'

const key = { instanceId: randomUUID(), task: 0, attempt: 1, namespace: 'default', jobId: 'job' }
const sealed: StreamView = { state: 'sealed', prefix: { ...emptyTotals(key), chunks: 1, lines: 3 } }
const expired: StreamView = { state: 'expired', prefix: emptyTotals(key), had: sealed.prefix }
const never = new AbortController().signal

/** The feed of a log of three lines, none of which can be read any more; `say` changes what is said of the log. */
async function openFeed() {
  let view: () => Promise<StreamView> = () => Promise.resolve(sealed)
  const streams = {
    view: () => view(),
    record: async () => {
      const { state, had, prefix } = await view()
      return { key, state, totals: had ?? prefix }
    },
  } as unknown as LogStreamsService
  const store = { read: () => Promise.resolve([]) } as unknown as LogStore
  const instances = {
    current: () => Promise.resolve({ id: key.instanceId, namespace: 'default', jobId: 'job', status: 'SUCCEEDED', attempt: 1 }),
  } as unknown as InstancesService
  const feed = new StreamFeed(key, { store, streams, instances, logger: new Logger('fatal', 'spec'), budget: { bytes: 0, limit: 1_000_000 } })
  await feed.open()
  return { feed, say: (next: () => Promise<StreamView>) => void (view = next) }
}

describe('whoever is behind in a followed log', () => {
  it('hears that it expired, when its lines are removed meanwhile', async () => {
    const { feed, say } = await openFeed()
    say(() => Promise.resolve(expired))
    expect(await feed.next(1, false, undefined, never)).toMatchObject({ view: expired, facts: { state: 'expired', status: 'SUCCEEDED' } })
    feed.close()
  })

  it('is told of a hole when they are missing from a log that is said to be whole', async () => {
    const { feed } = await openFeed()
    await expect(feed.next(1, false, undefined, never)).rejects.toThrow(LogHoleError)
    feed.close()
  })

  it('reads on to where it was known to end, when nobody can say where it ends by now', async () => {
    const { feed, say } = await openFeed()
    say(() => Promise.reject(new Error('MongoDB is away')))
    await feed.lookAhead()
    expect(feed.head).toBe(3)
    feed.close()
  })
})
