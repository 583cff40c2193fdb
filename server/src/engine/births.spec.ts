import { describe, expect, it } from 'vitest'
import { attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import type { InstanceDocument, QueueableInstance } from './instance-document.js'
import type { InstancesService } from './instances.service.js'
import type { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { Shutdown } from '../platform/shutdown.js'
import { connectedWorker } from '../workers/testing/connected-worker.js'
import { WorkerRegistry } from '../workers/worker-registry.js'
import { Births } from './births.js'
import type { Candidate, Claims } from './claims.js'
import type { Dispatcher } from './dispatcher.js'
import type { Handed, RunLanes } from './run-lanes.js'

const NOW = 1_000_000
const ROUTE = 'default/default//'
const run = (id: string, more: Partial<InstanceDocument> = {}): InstanceDocument =>
  ({ _id: id, route: ROUTE, status: 'WAITING', attempt: 0, priority: 0, maxConcurrent: 0, dueAt: new Date(NOW), ...more }) as InstanceDocument

function setUp({
  slots = 3,
  isClear = true,
  hand = 'taken',
  failAttempts = false,
}: { slots?: number; isClear?: boolean; hand?: Handed; failAttempts?: boolean } = {}) {
  const logger = new Logger('fatal', 'spec')
  const registry = new WorkerRegistry()
  const worker = connectedWorker(slots)
  registry.add(worker)
  const [sent, takenBack, queued, stored]: [string[], string[], QueueableInstance[], InstanceDocument[]] = [[], [], [], []]
  let isWaitingNoted = false
  const dispatcher = { isClear: () => isClear, noteWaiting: () => void (isWaitingNoted = true) } as unknown as Dispatcher
  const claims = {
    makeAttempts: async (candidates: Candidate[]) => {
      if (failAttempts) throw new Error('away')
      return candidates
    },
    unclaim: async (candidates: Candidate[]) => void takenBack.push(...candidates.map(({ key }) => attemptKeyString(key))),
  } as unknown as Claims
  const lanes = {
    hand: async (candidates: Candidate[]) => {
      for (const { key } of candidates) worker.hold(key, NOW)
      sent.push(...candidates.map(({ key }) => key.instanceId))
      return candidates.map(async () => hand)
    },
  } as unknown as RunLanes
  const instances = { enqueue: async (list: QueueableInstance[]) => queued.push(...list) > 0 } as unknown as InstancesService
  const clock = { now: () => NOW } as Clock
  const births = new Births(instances, dispatcher, registry, claims, lanes, clock, new Shutdown(logger), logger)
  const store = (documents: InstanceDocument[], duplicates: number[] = [], mayStart = documents) =>
    births.store(documents, new Set(mayStart), async (list) => {
      stored.push(...list)
      return new Set(duplicates)
    })
  return { births, store, worker, sent, takenBack, queued, stored, isWaitingNoted: () => isWaitingNoted }
}

describe('runs that are made while a slot is free and nothing waits', () => {
  it('are stored as running and sent, by priority, as far as there are slots; the others wait', async () => {
    const { births, store, worker, sent, stored, isWaitingNoted } = setUp({ slots: 2 })
    const runs = [run('a'), run('b', { priority: 5 }), run('c')]
    const { isPlaced } = await store(runs)
    await births.idle()
    expect(runs.map(isPlaced)).toEqual([true, true, false])
    expect(sent.toSorted()).toEqual(['a', 'b'])
    expect(stored.map(({ _id, status, attempt }) => [_id, status, attempt])).toEqual([
      ['a', 'RUNNING', 1],
      ['b', 'RUNNING', 1],
      ['c', 'WAITING', 0],
    ])
    expect([worker.freeSlots, isWaitingNoted()]).toEqual([0, true])
  })

  it('wait all the same when they are not due, or limited, or something may wait before them', async () => {
    for (const [documents, isClear] of [
      [[run('later', { dueAt: new Date(NOW + 1) }), run('limited', { maxConcurrent: 1 })], true],
      [[run('a')], false],
    ] as const) {
      const { births, store, worker, sent, stored } = setUp({ isClear })
      const { isPlaced } = await store([...documents, run('of many')], [], [...documents])
      await births.idle()
      expect([documents.some(isPlaced), sent, worker.freeSlots]).toEqual([false, [], 3])
      expect(stored.every(({ status }) => status === 'WAITING')).toBe(true)
    }
  })

  it('that were there before are not sent, and their slots are free again', async () => {
    const { births, store, worker, sent, takenBack } = setUp()
    const runs = [run('a'), run('b')]
    const { duplicates, isPlaced } = await store(runs, [0])
    await births.idle()
    expect([duplicates, runs.map(isPlaced), sent, takenBack]).toEqual([new Set([0]), [false, true], ['b'], ['a_0_1']])
    expect(worker.freeSlots).toBe(2)
  })

  it('go to the queue when their attempts cannot be stored', async () => {
    const { births, store, worker, sent, takenBack } = setUp({ failAttempts: true })
    const runs = [run('a')]
    const { isPlaced } = await store(runs)
    await births.idle()
    expect([runs.map(isPlaced), sent, takenBack, worker.freeSlots]).toEqual([[false], [], ['a_0_1'], 3])
  })

  it('are undone when they cannot be stored, and wait when they are stored again', async () => {
    const { births, store, worker, sent, takenBack, stored } = setUp()
    const document = run('a')
    await expect(births.store([document], new Set([document]), () => Promise.reject(new Error('refused')))).rejects.toThrow('refused')
    expect([takenBack, worker.freeSlots]).toEqual([['a_0_1'], 3])
    await store([document])
    await births.idle()
    expect([sent, stored.map(({ status }) => status)]).toEqual([[], ['WAITING']])
  })

  it('are queued, to come a little later, when the worker refuses them', async () => {
    const { births, store, queued } = setUp({ hand: 'refused' })
    await store([run('a')])
    await births.idle()
    expect(queued).toMatchObject([{ _id: 'a', attempt: 0, dueAt: new Date(NOW + 1_000) }])
  })
})
