import { describe, expect, it } from 'vitest'
import { Backoff } from './backoff.js'
import { RecentKeys } from './recent-keys.js'
import { Slots } from './slots.js'

describe('slots', () => {
  it('are reserved up to their number and can be given back', () => {
    const slots = new Slots(2)
    expect([slots.tryReserve(), slots.tryReserve(), slots.tryReserve()]).toEqual([true, true, false])
    expect(slots.free).toBe(0)
    slots.release()
    expect(slots.free).toBe(1)
    expect(slots.tryReserve()).toBe(true)
  })

  it('cannot be given back twice', () => {
    expect(() => new Slots(1).release()).toThrow(RangeError)
  })
})

describe('back-off', () => {
  it('grows to its ceiling, with jitter over the whole range', () => {
    const longest = new Backoff(100, 3_000, () => 1)
    expect(Array.from({ length: 6 }, () => longest.next())).toEqual([200, 400, 800, 1_600, 3_000, 3_000])
    const shortest = new Backoff(100, 3_000, () => 0)
    expect(Array.from({ length: 3 }, () => shortest.next())).toEqual([100, 100, 100])
    longest.reset()
    expect(longest.next()).toBe(200)
  })
})

describe('recent keys', () => {
  it('forget the oldest beyond their limit', () => {
    const keys = new RecentKeys(2)
    for (const key of ['a', 'b', 'a', 'c']) keys.add(key)
    expect(['a', 'b', 'c'].map((key) => keys.has(key))).toEqual([true, false, true])
  })
})
