import { Binary } from 'mongodb'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { keyOf } from '../log-key.js'
import { FRESH_MS, LogIds } from './log-ids.js'

const keyFrom = (instanceId: string) => ({ instanceId, task: 0, attempt: 1 })
const FORMER = keyFrom('018f0000-0000-7000-8000-0000000000ff')
const FIRST = keyFrom('018f0001-0000-7000-8000-000000000000')
const LATER = keyFrom('018f0001-0000-7000-8000-000000000001')

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('instance IDs in keys of logs', () => {
  test('are bytes from the run on that was decided, and text before it; either way the key is read back', () => {
    const ids = new LogIds()
    ids.learn(FIRST.instanceId, performance.now())
    expect([FORMER, FIRST, LATER].map((key) => ids.stream(key).instance instanceof Binary)).toEqual([false, true, true])
    expect(ids.chunk(FORMER, 7)).toEqual({ instance: FORMER.instanceId, task: 0, attempt: 1, n: 7 })
    for (const key of [FORMER, FIRST, LATER]) {
      expect(keyOf(ids.stream(key))).toEqual(key)
      expect(keyOf(ids.chunk(key, 7))).toEqual(key)
    }
  })

  test('are text until it is decided, and not known when nobody could ask lately whether it is', () => {
    const ids = new LogIds()
    expect(() => ids.stream(LATER)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }))
    ids.learn(undefined, performance.now())
    expect(ids.stream(LATER).instance).toBe(LATER.instanceId)
    vi.advanceTimersByTime(FRESH_MS + 1)
    expect(() => ids.stream(LATER)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }))
    ids.learn(FIRST.instanceId, performance.now())
    vi.advanceTimersByTime(FRESH_MS + 1)
    expect(ids.stream(LATER).instance).toBeInstanceOf(Binary)
  })
})
