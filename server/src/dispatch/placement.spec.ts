import { randomUUID } from 'node:crypto'
import type { AttemptKey } from '@jobtrail/shared/domain/attempt-key'
import type { Job } from 'bullmq'
import { describe, expect, it } from 'vitest'
import type { Config } from '../config/config.js'
import type { AttemptsRepository } from '../instances/attempts.repository.js'
import type { InstancesRepository } from '../instances/instances.repository.js'
import type { JobsService } from '../jobs/jobs.service.js'
import type { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import type { Metrics } from '../platform/metrics.js'
import { WorkerConnection, WorkerRegistry, type WorkerSocket } from '../workers/worker-registry.js'
import type { WorkerTokenWatch } from '../workers/worker-token-watch.js'
import type { AttemptQueue } from './attempt-queue.js'
import type { PermitsRepository } from './permits.repository.js'
import { Placement } from './placement.js'
import type { Settlement } from './settlement.js'

const newKey = (): AttemptKey => ({ instanceId: randomUUID(), task: 0, attempt: 1 })

/** A placement that finds no instance, or none to read while `isDatabaseAway`, and tells what became of BullMQ jobs. */
function setUp({ isDatabaseAway = false } = {}) {
  const registry = new WorkerRegistry()
  const socket = { connected: true, id: 'socket' } as WorkerSocket
  const worker = new WorkerConnection(socket, 'worker', 'worker', { namespace: 'default', group: 'default', tags: [], handlers: [] }, 2, [])
  const fates: [string, ...(readonly AttemptKey[])[]][] = []
  const queue = {
    addLater: (_route: string, _job: Job, attempts: readonly AttemptKey[]) => void fates.push(['added for later', attempts]),
    putBack: (_route: string, _job: Job, _token: string, rest: readonly AttemptKey[]) => void fates.push(['put back', rest]),
    postpone: (_job: Job, _token: string, attempts: readonly AttemptKey[]) => void fates.push(['postponed', attempts]),
  } as unknown as AttemptQueue
  const job = { id: 'job', moveToCompleted: () => void fates.push(['completed']) } as unknown as Job<unknown, string>
  const instances = { findMany: () => (isDatabaseAway ? Promise.reject(new Error('away')) : Promise.resolve([])) } as unknown as InstancesRepository
  const placement = new Placement(
    {} as Config,
    instances,
    {} as AttemptsRepository,
    {} as PermitsRepository,
    {} as JobsService,
    {} as Settlement,
    queue,
    registry,
    {} as WorkerTokenWatch,
    {} as Clock,
    {} as Metrics,
    new Logger('fatal', 'spec'),
  )
  const place = (keys: readonly AttemptKey[], rest: readonly AttemptKey[]): Promise<void> => {
    for (const _ of keys) worker.reserve()
    return placement.place({ route: 'default/default//', job, token: 'token', placements: keys.map((key) => ({ key, worker })), rest })
  }
  return { registry, worker, fates, place }
}

describe('a BullMQ job', () => {
  it('of attempts that wait no more ends, and its slots go to whoever found none', async () => {
    const { registry, worker, fates, place } = setUp()
    const placing = place([newKey(), newKey()], [])
    expect(worker.freeSlots).toBe(0)
    const seen = new Promise<number>((resolve) => registry.onceReturned(() => resolve(worker.freeSlots)))
    expect(await seen).toBe(2)
    await placing
    expect(fates).toEqual([['completed']])
  })

  it('waits with those that could not be placed', async () => {
    const { worker, fates, place } = setUp({ isDatabaseAway: true })
    const key = newKey()
    await place([key], [])
    expect(fates).toEqual([['postponed', [key]]])
    expect(worker.freeSlots).toBe(2)
  })

  it('comes again at once with those that found no slot, whatever the others wait for', async () => {
    const { fates, place } = setUp({ isDatabaseAway: true })
    const [key, left] = [newKey(), newKey()]
    await place([key], [left])
    expect(fates).toEqual([
      ['added for later', [key]],
      ['put back', [left]],
    ])
  })
})
