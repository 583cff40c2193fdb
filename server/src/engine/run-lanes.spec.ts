import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { InstanceDocument } from './instance-document.js'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import type { Metrics } from '../platform/metrics.js'
import { connectedWorker } from '../workers/testing/connected-worker.js'
import type { WorkerSocket } from '../workers/worker-socket.js'
import type { Candidate, Claims } from './claims.js'
import type { Leases } from './leases.js'
import type { RunDefinitions } from './ports/run-definitions.js'
import { RunLanes } from './run-lanes.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Lanes to a worker that answers `reply`; the check of its token takes `checkMs`. */
function setUp({ checkMs = 0, reply = 'accepted' }: { checkMs?: number; reply?: 'accepted' | 'refused' } = {}) {
  const sent: unknown[] = []
  const socket = {
    connected: true,
    id: 'socket',
    once: () => {},
    off: () => {},
    timeout: () => ({
      emitWithAck: (_event: string, message: unknown) => {
        sent.push(message)
        return Promise.resolve({ ok: true, value: { results: [reply] } })
      },
    }),
  } as unknown as WorkerSocket
  const isTrusted = (): Promise<boolean> => new Promise((resolve) => setTimeout(() => resolve(true), checkMs))
  const worker = connectedWorker(2, socket, { isTrusted, answersAgain: () => undefined })
  const takenBack: Candidate[] = []
  const claims = { unclaim: (candidates: Candidate[]) => Promise.resolve(void takenBack.push(...candidates)) } as unknown as Claims
  const definitions = {
    find: () => Promise.resolve([{ processor: { kind: 'shell' }, secrets: {} }]),
    openSecrets: () => ({}),
  } as unknown as RunDefinitions
  const metrics = { dispatchDelay: { observe: () => {} } } as unknown as Metrics
  const clock = { now: () => 0 } as Clock
  const lanes = new RunLanes(claims, definitions, {} as Leases, clock, metrics, new Logger('fatal', 'spec'))
  const key = { instanceId: 'one', task: 0, attempt: 1 }
  const candidate: Candidate = {
    key,
    worker,
    instance: { _id: 'one', scheduledFor: null, dueAt: new Date(0) } as unknown as InstanceDocument,
    claimedAt: performance.now(),
  }
  const hand = async (): Promise<string | undefined> => {
    worker.reserve()
    const handing = lanes.hand([candidate])
    await vi.advanceTimersByTimeAsync(checkMs)
    return (await handing)[0]
  }
  return { worker, key, sent, takenBack, hand }
}

it('an attempt that a worker was sent may be there, until it refuses it', async () => {
  const { worker, key, sent, takenBack, hand } = setUp()
  expect(await hand()).toBe('taken')
  expect([sent.length, takenBack.length, worker.mayHave(key)]).toEqual([1, 0, true])
  worker.letGo(key)
  expect(worker.mayHave(key)).toBe(false)

  const refusing = setUp({ reply: 'refused' })
  expect(await refusing.hand()).toBe('refused')
  expect([refusing.sent.length, refusing.takenBack.length, refusing.worker.mayHave(key)]).toEqual([1, 1, false])
})

it('an attempt that could not be sent for long is taken back: a heartbeat without it may have shown already that it never came', async () => {
  const inTime = setUp({ checkMs: 4_900 })
  expect(await inTime.hand()).toBe('taken')
  expect(inTime.sent).toHaveLength(1)

  const late = setUp({ checkMs: 5_100 })
  expect(await late.hand()).toBe('refused')
  expect([late.sent.length, late.takenBack.length, late.worker.mayHave(late.key)]).toEqual([0, 1, false])
})
