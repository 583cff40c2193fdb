import { expect, test } from 'vitest'
import { parseConfig } from '../config/config.js'
import { type AttemptId, attemptId } from './attempt-document.js'
import type { AttemptsRepository } from './attempts.repository.js'
import type { InstancesRepository } from './instances.repository.js'
import type { AttemptLogs } from './ports/attempt-logs.js'
import type { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { Leases } from './leases.js'
import type { Settlement } from './settlement.js'

const NOW = Date.parse('2026-01-02T00:00:00Z')
const keyOf = (n: number) => ({ instanceId: `018f0000-0000-7000-8000-00000000000${n}`, task: 0, attempt: 1 })
const worker = { id: 'worker', incarnation: 'this', mayHave: () => false }

/** A worker that was given attempts 1 and 2 as this process, 3 as a former one; who of them is renewed, who is lost. */
function setUp(poisoned?: AttemptId, isCancelled = false): { leases: Leases; renewed: AttemptId[]; lost: AttemptId[]; deleted: AttemptId[] } {
  const deleted: AttemptId[] = []
  const renewed: AttemptId[] = []
  const lost: AttemptId[] = []
  const leased = [1, 2, 3].map((n) => ({
    _id: attemptId(keyOf(n)),
    workerId: 'worker',
    incarnation: n === 3 ? 'former' : 'this',
    dispatchedAt: new Date(0),
    progress: null,
  }))
  const attempts = {
    findLeasedBy: async () => leased,
    findMany: async () => [],
    findExpired: async () => leased,
    deleteUnsent: async (ids: AttemptId[]) => void deleted.push(...ids),
    renew: async (ids: AttemptId[]) => void renewed.push(...ids),
    markLost: async (id: AttemptId) => {
      if (id.instance === poisoned?.instance) throw new TypeError('It is stored in a shape that nothing can read')
      lost.push(id)
      return null
    },
  } as unknown as AttemptsRepository
  // The instance of attempt 2 was never stored, that of attempt 3 cancelled before it was claimed, if told so.
  const progress = new Map([
    [keyOf(1).instanceId, { status: 'RUNNING', attempt: 1 }],
    [keyOf(3).instanceId, isCancelled ? { status: 'CANCELLED', attempt: 0 } : { status: 'CANCELLED', attempt: 1 }],
  ])
  const instances = {
    progressOf: async () => progress,
    ownersOf: async (ids: string[]) => new Map(ids.map((id) => [id, { namespace: 'default', jobId: 'job' }])),
  } as unknown as InstancesRepository
  const streams = { hasLines: async () => false } as unknown as AttemptLogs
  const clock = { date: () => new Date(NOW), now: () => NOW } as Clock
  const leases = new Leases(parseConfig({}), attempts, instances, streams, {} as Settlement, clock, new Metrics(), new Logger('fatal', 'spec'))
  return { leases, renewed, lost, deleted }
}

test.each([true, false])('what a worker does not list it has lost, unless that may be what could not be read (connect: %j)', async (isConnect) => {
  const whole = setUp()
  await whole.leases.reconcile(worker, [keyOf(1)], { isConnect, isWhole: true, receivedAt: NOW })
  expect([whole.renewed, whole.lost]).toEqual([[attemptId(keyOf(1))], [attemptId(keyOf(2)), attemptId(keyOf(3))]])
  const cut = setUp()
  await cut.leases.reconcile(worker, [keyOf(1)], { isConnect, isWhole: false, receivedAt: NOW })
  expect([cut.renewed, cut.lost]).toEqual([[attemptId(keyOf(1)), attemptId(keyOf(2))], [attemptId(keyOf(3))]])
})

test('an attempt that cannot be ended does not fail the hello of its worker, nor the loss of the others', async () => {
  const { leases, renewed, lost } = setUp(attemptId(keyOf(2)))
  const answer = await leases.reconcile(worker, [keyOf(1)], { isConnect: true, isWhole: true, receivedAt: NOW })
  expect(answer).toEqual({ stop: [], cancel: [] })
  expect([renewed, lost]).toEqual([[attemptId(keyOf(1))], [attemptId(keyOf(3))]])
})

test('an attempt without an instance, whose server died while it made both, is deleted when its lease ends: it was never sent', async () => {
  const { leases, lost, deleted } = setUp()
  await leases.expire(10)
  expect([lost, deleted]).toEqual([[attemptId(keyOf(1)), attemptId(keyOf(3))], [attemptId(keyOf(2))]])
})

test('an attempt that was made for a run which was cancelled before its server claimed it is deleted too: it says nothing of the run, and is in the way of a retry', async () => {
  const { leases, lost, deleted } = setUp(undefined, true)
  await leases.expire(10)
  expect([lost, deleted]).toEqual([[attemptId(keyOf(1))], [attemptId(keyOf(2)), attemptId(keyOf(3))]])
})
