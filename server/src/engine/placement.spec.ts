import { randomUUID } from 'node:crypto'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import type { Job } from 'bullmq'
import { describe, expect, it, vi } from 'vitest'
import type { InstanceDocument } from './instance-document.js'
import type { InstancesRepository } from './instances.repository.js'
import { Logger } from '../platform/logging.js'
import { connectedWorker } from '../workers/testing/connected-worker.js'
import { WorkerRegistry } from '../workers/worker-registry.js'
import type { AttemptQueue } from './attempt-queue.js'
import type { Candidate, Claims } from './claims.js'
import type { LimitedRuns } from './limited-runs.js'
import { Placement } from './placement.js'
import type { Handed, RunLanes } from './run-lanes.js'
import type { Settlement } from './settlement.js'

const waitingInstance = ({ instanceId, attempt }: AttemptKey) =>
  ({ _id: instanceId, status: 'WAITING', attempt: attempt - 1, maxConcurrent: 0 }) as InstanceDocument
const newKey = (): AttemptKey => ({ instanceId: randomUUID(), task: 0, attempt: 1 })

/** A placement that finds no instance but `waiting` ones, or none to read while `isDatabaseAway`, and tells what became of BullMQ jobs. Workers answer by `answer`. */
function setUp({ isDatabaseAway = false, waiting = [] as readonly AttemptKey[], answer = (): Promise<Handed> => Promise.resolve('taken') } = {}) {
  const registry = new WorkerRegistry()
  const worker = connectedWorker(2)
  const fates: [string, ...(readonly AttemptKey[])[]][] = []
  const queue = {
    addLater: (_route: string, _job: Job, attempts: readonly AttemptKey[]) => void fates.push(['added for later', attempts]),
    putBack: (_route: string, _job: Job, _token: string, rest: readonly AttemptKey[]) => void fates.push(['put back', rest]),
    postpone: (_job: Job, _token: string, attempts: readonly AttemptKey[]) => void fates.push(['postponed', attempts]),
  } as unknown as AttemptQueue
  const job = { id: 'job', moveToCompleted: () => void fates.push(['completed']) } as unknown as Job<unknown, string>
  const instances = {
    findMany: () => (isDatabaseAway ? Promise.reject(new Error('away')) : Promise.resolve(waiting.map(waitingInstance))),
  } as unknown as InstancesRepository
  const claims = { claim: (candidates: Candidate[]) => Promise.resolve(candidates) } as unknown as Claims
  const lanes = {
    hand: async (placed: Candidate[]) => {
      for (const { worker: holder, key } of placed) holder.hold(key, 0)
      return placed.map(answer)
    },
  } as unknown as RunLanes
  const placement = new Placement(instances, claims, lanes, {} as LimitedRuns, {} as Settlement, queue, registry, new Logger('fatal', 'spec'))
  const place = (keys: readonly AttemptKey[], rest: readonly AttemptKey[]): Promise<{ isStale: boolean }> => {
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

  it('of attempts that were sent ends, although the worker does not answer', async () => {
    const key = newKey()
    const { worker, fates, place } = setUp({ waiting: [key], answer: () => new Promise(() => {}) })
    expect(await place([key], [])).toEqual({ isStale: false })
    expect(fates).toEqual([['completed']])
    expect(worker.freeSlots).toBe(1)
  })

  it('ends before an attempt that the worker refused is queued again: until then another of its name would not be taken', async () => {
    const key = newKey()
    const { fates, place } = setUp({ waiting: [key], answer: () => Promise.resolve('refused') })
    await place([key], [])
    await vi.waitFor(() => expect(fates).toEqual([['completed'], ['added for later', [key]]]))
  })

  it('is stale when none of its attempts waits any more', async () => {
    const key = newKey()
    const { place } = setUp({ waiting: [key] })
    expect(await place([newKey(), newKey()], [])).toEqual({ isStale: true })
    expect(await place([newKey(), key], [])).toEqual({ isStale: false })
    expect(await place([newKey()], [newKey()])).toEqual({ isStale: false })
  })
})
