import { randomUUID } from 'node:crypto'
import type { AttemptKey } from '@jobtrail/shared/domain/attempt-key'
import { describe, expect, it } from 'vitest'
import { WorkerConnection, type WorkerSocket } from './worker-registry.js'

const newKey = (): AttemptKey => ({ instanceId: randomUUID(), task: 0, attempt: 1 })

function newWorker(slots: number): WorkerConnection {
  const socket = { connected: true, id: 'socket' } as WorkerSocket
  return new WorkerConnection(socket, 'worker', 'worker', { namespace: 'default', group: 'default', tags: [], handlers: [] }, slots, [])
}

function give(worker: WorkerConnection, key: AttemptKey): void {
  worker.reserve()
  worker.hold(key)
}

describe('the slots of a worker', () => {
  it('are free when it has told the ends of what it was given', () => {
    const worker = newWorker(2)
    const [first, second] = [newKey(), newKey()]
    give(worker, first)
    give(worker, second)
    worker.correct([first, second], 0)
    worker.letGo(first)
    expect(worker.freeSlots).toBe(1)
  })

  it('are not offered again after a refusal, until its heartbeat says what is free', () => {
    const worker = newWorker(3)
    const key = newKey()
    give(worker, key)
    worker.refused(1)
    worker.letGo(key)
    expect(worker.freeSlots).toBe(2)
    worker.correct([], 3)
    expect(worker.freeSlots).toBe(3)
  })

  it('are taken by what goes on after its end was told', () => {
    const worker = newWorker(2)
    const key = newKey()
    give(worker, key)
    worker.letGo(key)
    worker.correct([], 1)
    expect(worker.freeSlots).toBe(1)
  })

  it('are not counted twice for an attempt that has ended and is named still', () => {
    const worker = newWorker(2)
    const key = newKey()
    give(worker, key)
    worker.letGo(key)
    worker.correct([key], 2)
    expect(worker.freeSlots).toBe(2)
  })
})
