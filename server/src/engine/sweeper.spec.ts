import { MongoNetworkError } from 'mongodb'
import { afterEach, expect, test, vi } from 'vitest'
import { parseConfig } from '../config/config.js'
import type { AttemptDocument, AttemptId } from './attempt-document.js'
import type { AttemptsRepository } from './attempts.repository.js'
import type { InstancePlace, UnfinishedInstance } from './instance-document.js'
import type { InstancesRepository } from './instances.repository.js'
import type { InstancesService } from './instances.service.js'
import type { Clock } from '../platform/clock.js'
import type { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import type { RedisConnections } from '../platform/redis.js'
import { Shutdown } from '../platform/shutdown.js'
import type { AttemptQueue, QueuedAttempt } from './attempt-queue.js'
import type { Leases } from './leases.js'
import type { PermitsRepository } from './permits.repository.js'
import { Settlement } from './settlement.js'
import type { SweepLock } from './sweep-lock.js'
import { Sweeper } from './sweeper.js'

/** The slow parts of a sweep are done in each fifth only. */
const SLOW_EVERY = 5

afterEach(() => void vi.useRealTimers())

type Unfinished = UnfinishedInstance & { status: 'WAITING' | 'RUNNING' }

const unfinished = (n: number, status: Unfinished['status']): Unfinished => {
  const [_id, at] = [String(n).padStart(6, '0'), new Date(0)]
  return { _id, namespace: 'default', status, attempt: 1, route: 'r', priority: 0, createdAt: at, dueAt: at, queued: true, heldAt: null }
}

type Cluster = {
  instances?: readonly Unfinished[]
  /** Of attempts that have ended; all others of what is RUNNING are leased. */
  ended?: readonly string[]
  /** Their attempts were never stored. */
  unmade?: readonly string[]
  conclude?: (attempt: AttemptDocument) => Promise<void>
  repository?: object
  isElected?: boolean
}

/** A sweeper over a cluster in memory, and what it did. */
function setUp({ instances = [], ended = [], unmade = [], conclude = async () => {}, repository = {}, isElected = true }: Cluster) {
  const queued: { _id: string; route: string }[] = []
  const ofStore = {
    findUnqueued: async () => [],
    findUnfinished: async (status: string, after: InstancePlace | undefined, limit: number) =>
      instances.filter((each) => each.status === status && each._id > (after?._id ?? '')).slice(0, limit),
    findWaiting: async () => new Map(instances.map(({ _id, attempt }) => [_id, attempt])),
    countUnfinished: async () => ({}),
    nextJobWithHeld: async () => undefined,
    ...repository,
  } as unknown as InstancesRepository
  const service = {
    enqueue: async (items: UnfinishedInstance[]) => {
      queued.push(...items)
      return true
    },
  } as unknown as InstancesService
  const attempts = {
    leasedAmong: async (ids: AttemptId[]) => new Set(ids.map(({ instance }) => instance).filter((id) => !ended.includes(id) && !unmade.includes(id))),
    findMany: async (ids: AttemptId[]) => ids.filter(({ instance }) => ended.includes(instance)).map((_id) => ({ _id, status: 'SUCCEEDED' })),
  } as unknown as AttemptsRepository
  const permits = { findOld: async () => [], countTaken: async () => 0 } as unknown as PermitsRepository
  const quiet = { error: () => {}, warn: () => {}, debug: () => {}, info: () => {} } as unknown as Logger
  const clock = { now: () => 0, date: () => new Date(0) } as Clock
  const metrics = new Metrics()
  const sweeper = new Sweeper(
    parseConfig({}),
    ofStore,
    service,
    attempts,
    { conclude, expire: async () => 0 } as unknown as Leases,
    permits,
    new Settlement(ofStore, service, {} as never, permits, {} as never, {} as never, clock, quiet),
    { isReady: true, readEpoch: async () => '' } as unknown as RedisConnections,
    clock,
    metrics,
    { absent: async (all: QueuedAttempt[]) => all } as unknown as AttemptQueue,
    { isElected: async () => isElected } as unknown as SweepLock,
    new Shutdown(quiet),
    quiet,
  )
  return { sweeper, queued, metrics }
}

test('a held run of any route of its job is queued when a permit is free, also behind runs of routes that no worker serves', async () => {
  const held = ['unserved', 'unserved', 'unserved too', 'served'].map((route, i) => ({ _id: String(i), jobId: 'job', route, maxConcurrent: 1 }))
  const { sweeper, queued } = setUp({
    repository: {
      nextJobWithHeld: async (after: string) => (after < 'job' ? 'job' : undefined),
      findHeld: async (_job: string, limit: number, { route }: { route?: string | { $nin: string[] } } = {}) =>
        held.filter((each) => route === undefined || (typeof route === 'string' ? each.route === route : !route.$nin.includes(each.route))).slice(0, limit),
    },
  })
  await sweeper.sweep()
  expect(queued.map(({ route }) => route)).toEqual(['unserved', 'unserved too', 'served'])
})

test('one attempt whose end cannot be followed up does not keep other runs from being queued again', async () => {
  const instances = Array.from({ length: 1_500 }, (_, n) => unfinished(n, 'WAITING'))
  const [poisoned, ...others] = instances.map(({ _id }) => _id)
  const conclude = (): Promise<never> => Promise.reject(new TypeError('It is stored in a shape that nothing can read'))
  const { sweeper, queued } = setUp({ instances, ended: [poisoned ?? ''], conclude })
  await sweeper.sweep()
  expect(queued.map(({ _id }) => _id)).toEqual(others)
})

test('while MongoDB is away the walk over waiting runs stays where it is and goes on from there', async () => {
  const instances = Array.from({ length: 1_500 }, (_, n) => unfinished(n, 'WAITING'))
  const [ended, ...others] = instances.map(({ _id }) => _id)
  let isAway = true
  const conclude = async (): Promise<void> => {
    if (isAway) throw new MongoNetworkError('The connection was closed')
  }
  const { sweeper, queued } = setUp({ instances, ended: [ended ?? ''], conclude })
  await sweeper.sweep()
  expect(queued).toEqual([])
  isAway = false
  await sweeper.sweep()
  expect(queued.map(({ _id }) => _id)).toEqual(others)
})

test('one attempt whose end cannot be followed up does not keep others from being settled', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const instances = Array.from({ length: 1_500 }, (_, n) => unfinished(n, 'RUNNING'))
  const stuck = [3, 4, 1_400].map((n) => unfinished(n, 'RUNNING')._id)
  const concluded: string[] = []
  const conclude = async ({ _id }: AttemptDocument): Promise<void> => {
    if (_id.instance === stuck[0]) throw new TypeError('It is stored in a shape that nothing can read')
    concluded.push(_id.instance)
  }
  const { sweeper } = setUp({ instances, ended: stuck, conclude })
  await sweeper.sweep()
  vi.advanceTimersByTime(10_000)
  for (let sweeps = 0; sweeps < SLOW_EVERY; sweeps++) await sweeper.sweep()
  expect(concluded).toEqual(stuck.slice(1))
})

test('a run whose attempt has ended is settled within a few rounds, after the grace and once, also on the last of many pages', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  let instances = Array.from({ length: 3_500 }, (_, n) => unfinished(n, 'RUNNING'))
  const last = instances.at(-1)?._id ?? ''
  const concluded: number[] = []
  const conclude = async (): Promise<void> => {
    concluded.push(round)
    instances = instances.slice(0, -1)
  }
  // Each page takes so long that a round gets through two of the four.
  const repository = {
    findUnfinished: async (status: string, after: InstancePlace | undefined, limit: number) => {
      vi.advanceTimersByTime(300)
      return instances.filter((each) => each.status === status && each._id > (after?._id ?? '')).slice(0, limit)
    },
  }
  const { sweeper } = setUp({ ended: [last], conclude, repository })
  let round = 0
  for (; round < 10; round++) {
    for (let sweeps = 0; sweeps < SLOW_EVERY; sweeps++) await sweeper.sweep()
    vi.advanceTimersByTime(5_000)
  }
  // The first walk ends in round 1, and finds it suspicious; 10 s later it is left behind.
  expect(concluded).toEqual([3])
})

test('a run that is RUNNING without an attempt waits again', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const unclaimed: unknown[] = []
  const { sweeper } = setUp({
    instances: [unfinished(1, 'RUNNING')],
    unmade: [unfinished(1, 'RUNNING')._id],
    repository: { unclaim: async (keys: unknown[]) => void unclaimed.push(...keys) },
  })
  await sweeper.sweep()
  vi.advanceTimersByTime(10_000)
  for (let sweeps = 0; sweeps < SLOW_EVERY; sweeps++) await sweeper.sweep()
  expect(unclaimed).toEqual([{ instanceId: unfinished(1, 'RUNNING')._id, attempt: 1 }])
})

test.each([true, false])(
  'only the elected server queues, walks and counts; each looks at what is due, to know whether MongoDB answers (elected: %j)',
  async (isElected) => {
    const asked = { due: 0, counts: 0 }
    const repository = {
      findUnqueued: async () => (asked.due++ === 0 ? [unfinished(0, 'WAITING')] : []),
      markQueued: async () => {},
      countUnfinished: async () => {
        asked.counts++
        return { WAITING: 2, RUNNING: 0 }
      },
    }
    const { sweeper, queued, metrics } = setUp({ instances: [unfinished(1, 'WAITING')], repository, isElected })
    metrics.instancesByStatus.set({ status: 'WAITING' }, 7)
    await sweeper.sweep()
    expect(queued.map(({ _id }) => _id)).toEqual(isElected ? [unfinished(0, 'WAITING')._id, unfinished(1, 'WAITING')._id] : [])
    expect(asked).toEqual({ due: 1, counts: isElected ? 1 : 0 })
    // What it counted when it was elected is old by now.
    const { values } = await metrics.instancesByStatus.get()
    expect(values.map(({ labels, value }) => [labels.status, value])).toEqual(
      isElected
        ? [
            ['WAITING', 2],
            ['RUNNING', 0],
          ]
        : [],
    )
  },
)
