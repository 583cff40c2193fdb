import { expect, test } from 'vitest'
import { parseConfig } from '../config/config.js'
import type { AttemptsRepository } from '../instances/attempts.repository.js'
import type { InstanceDocument } from '../instances/instance-document.js'
import type { InstancesRepository } from '../instances/instances.repository.js'
import type { InstancesService } from '../instances/instances.service.js'
import type { Clock } from '../platform/clock.js'
import type { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import type { RedisConnections } from '../platform/redis.js'
import { Shutdown } from '../platform/shutdown.js'
import type { AttemptQueue } from './attempt-queue.js'
import type { Leases } from './leases.js'
import type { PermitsRepository } from './permits.repository.js'
import { Settlement } from './settlement.js'
import type { SweepLock } from './sweep-lock.js'
import { Sweeper } from './sweeper.js'

test('a held run of any route of its job is queued when a permit is free, also behind runs of routes that no worker serves', async () => {
  const held = ['unserved', 'unserved', 'unserved too', 'served'].map((route, i) => ({ _id: String(i), jobId: 'job', route, maxConcurrent: 1 }))
  const queued: string[] = []
  const repository = {
    findUnqueued: async () => [],
    findUnfinished: async () => [],
    countUnfinished: async () => ({}),
    nextJobWithHeld: async (after: string) => (after < 'job' ? 'job' : undefined),
    findHeld: async (_job: string, limit: number, { route }: { route?: string | { $nin: string[] } } = {}) =>
      held.filter((each) => route === undefined || (typeof route === 'string' ? each.route === route : !route.$nin.includes(each.route))).slice(0, limit),
  } as unknown as InstancesRepository
  const instances = {
    enqueue: async (items: InstanceDocument[]) => {
      queued.push(...items.map(({ route }) => route))
      return true
    },
  } as unknown as InstancesService
  const permits = { findOld: async () => [], countTaken: async () => 0 } as unknown as PermitsRepository
  const quiet = { error: () => {}, warn: () => {}, debug: () => {}, info: () => {} } as unknown as Logger
  const clock = { now: () => 0 } as Clock
  const settlement = new Settlement(repository, instances, {} as never, permits, {} as never, clock, quiet)
  const sweeper = new Sweeper(
    parseConfig({}),
    repository,
    instances,
    { leasedAmong: async () => new Set() } as unknown as AttemptsRepository,
    {} as Leases,
    permits,
    settlement,
    { isReady: true, commands: { set: async () => 'OK', get: async () => '', info: async () => '' } } as unknown as RedisConnections,
    clock,
    new Metrics(),
    {} as AttemptQueue,
    { isElected: async () => true } as unknown as SweepLock,
    new Shutdown(quiet),
    quiet,
  )
  await sweeper.sweep()
  expect(queued).toEqual(['unserved', 'unserved too', 'served'])
})
