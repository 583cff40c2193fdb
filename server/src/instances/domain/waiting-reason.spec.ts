import { describe, expect, test } from 'vitest'
import { type WaitingFacts, waitingReason } from './waiting-reason.js'

const busy = { tags: ['a'], handlers: [], slots: 2, freeSlots: 0 }
const free = { ...busy, freeSlots: 1 }
const facts: WaitingFacts = {
  now: 1_000,
  dueAt: 0,
  attempt: 0,
  heldForConcurrency: null,
  namespace: 'n',
  group: 'g',
  tags: ['a'],
  handler: null,
  workersInGroup: [free],
  ableWorkers: [free],
  drainingWorkers: [],
  position: 7,
}

describe('why an instance waits', () => {
  test('it is not due yet', () => {
    expect(waitingReason({ ...facts, dueAt: 61_000 })).toEqual({ reason: 'due', message: 'Due at 1970-01-01T00:01:01.000Z', until: '1970-01-01T00:01:01.000Z' })
    expect(waitingReason({ ...facts, dueAt: 61_000, attempt: 2 })).toMatchObject({ reason: 'retry', attempt: 2 })
  })

  test('another instance of the job has to end', () => {
    expect(waitingReason({ ...facts, heldForConcurrency: 1 })).toMatchObject({
      reason: 'concurrency',
      message: expect.stringContaining('at most 1 at a time'),
      limit: 1,
    })
  })

  test('nobody is there', () => {
    expect(waitingReason({ ...facts, workersInGroup: [], ableWorkers: [] })).toMatchObject({
      reason: 'no_worker',
      message: 'No worker connected in group g of namespace n',
      group: 'g',
    })
  })

  test('the missing tag is named', () => {
    expect(waitingReason({ ...facts, tags: ['a', 'gpu'], ableWorkers: [] })).toMatchObject({
      message: 'No worker connected with tag gpu in group g',
      group: 'g',
      tags: ['gpu'],
    })
  })

  test('the missing handler is named', () => {
    expect(waitingReason({ ...facts, handler: 'mail', ableWorkers: [] })).toMatchObject({
      message: 'No worker connected with handler mail in group g',
      handler: 'mail',
    })
  })

  test('each tag is there, but not on one worker', () => {
    const workersInGroup = [free, { ...free, tags: ['gpu'] }]
    expect(waitingReason({ ...facts, tags: ['a', 'gpu'], workersInGroup, ableWorkers: [] })).toMatchObject({
      message: expect.stringContaining('has all that is needed: tags a, gpu'),
      tags: ['a', 'gpu'],
    })
  })

  test('all that could run it are draining', () => {
    const draining = { ...facts, workersInGroup: [], ableWorkers: [], drainingWorkers: ['w1', 'w2'] }
    expect(waitingReason(draining)).toEqual({
      reason: 'draining',
      message: 'Every worker that could run it is draining: w1, w2; undrain one, or start another',
      workers: ['w1', 'w2'],
      workerCount: 2,
    })
    const many = { ...draining, drainingWorkers: ['1', '2', '3', '4', '5', '6', '7'] }
    expect(waitingReason(many)).toMatchObject({ message: expect.stringContaining('draining: 1, 2, 3, 4, 5 and 2 more;'), workerCount: 7 })
    expect(waitingReason({ ...facts, drainingWorkers: ['w1'] }).reason).toBe('dispatch')
  })

  test('all slots are busy, with the place in the queue', () => {
    expect(waitingReason({ ...facts, ableWorkers: [busy, busy] })).toEqual({
      reason: 'slots',
      message: 'All 4 slots of 2 able workers are busy; position 7 in the queue',
      workerCount: 2,
      slots: 4,
      position: 7,
    })
  })

  test('it is about to be placed', () => {
    expect(waitingReason(facts).reason).toBe('dispatch')
  })
})
