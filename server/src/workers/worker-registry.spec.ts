import { randomUUID } from 'node:crypto'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { describe, expect, it, vi } from 'vitest'
import { connectedWorker } from './testing/connected-worker.js'
import type { WorkerConnection } from './worker-registry.js'

const newKey = (): AttemptKey => ({ instanceId: randomUUID(), task: 0, attempt: 1 })

function give(worker: WorkerConnection, key: AttemptKey): void {
  worker.reserve()
  worker.hold(key, 0)
}

describe('the slots of a worker', () => {
  it('are free when it has told the ends of what it was given', () => {
    const worker = connectedWorker(2)
    const [first, second] = [newKey(), newKey()]
    give(worker, first)
    give(worker, second)
    worker.correct([first, second], 0)
    worker.letGo(first)
    expect(worker.freeSlots).toBe(1)
  })

  it('are not offered again after a refusal, until its heartbeat says what is free', () => {
    const worker = connectedWorker(3)
    const key = newKey()
    give(worker, key)
    worker.refused(1)
    worker.letGo(key)
    expect(worker.freeSlots).toBe(2)
    worker.correct([], 3)
    expect(worker.freeSlots).toBe(3)
  })

  it('are taken by what goes on after its end was told', () => {
    const worker = connectedWorker(2)
    const key = newKey()
    give(worker, key)
    worker.letGo(key)
    worker.correct([], 1)
    expect(worker.freeSlots).toBe(1)
  })

  it('are not counted twice for an attempt that has ended and is named still', () => {
    const worker = connectedWorker(2)
    const key = newKey()
    give(worker, key)
    worker.letGo(key)
    worker.correct([key], 2)
    expect(worker.freeSlots).toBe(2)
  })
})

describe('a worker that does not answer', () => {
  it('is offered nothing while an answer is overdue, and again when it comes', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      const worker = connectedWorker(8)
      const sent = worker.runSent(100, [])
      expect(worker.freeSlots).toBe(8)
      vi.advanceTimersByTime(1_500)
      expect(worker.freeSlots).toBe(0)
      expect(worker.runAnswered(sent)).toBe(true)
      expect(worker.freeSlots).toBe(8)
    } finally {
      vi.useRealTimers()
    }
  })

  it('is offered nothing after it let a message time out, until it is heard of', () => {
    const worker = connectedWorker(8)
    worker.runUnanswered(worker.runSent(100, []))
    expect(worker.freeSlots).toBe(0)
    worker.correct([], 8)
    expect(worker.freeSlots).toBe(8)
  })

  it('has a bound on messages and on bytes', () => {
    const many = connectedWorker(1_000)
    const sent = Array.from({ length: 64 }, () => many.runSent(1, []))
    expect([many.isLaneFull, many.freeSlots]).toEqual([true, 0])
    for (const each of sent.slice(0, 1)) many.runAnswered(each)
    expect([many.isLaneFull, many.freeSlots]).toEqual([false, 1_000])
    const large = connectedWorker(1_000)
    const huge = large.runSent(16 * 1024 * 1024, [])
    expect([large.isLaneFull, large.freeSlots]).toEqual([true, 0])
    expect(large.runAnswered(huge)).toBe(true)
    expect(large.freeSlots).toBe(1_000)
  })
})
