import fc from 'fast-check'
import { expect, it } from 'vitest'
import { WeightedLru } from './weighted-lru.js'

it('drops what was not used for longest', () => {
  const lru = new WeightedLru<string>(3)
  lru.set('a', 'A', 1)
  lru.set('b', 'B', 1)
  lru.set('c', 'C', 1)
  expect(lru.get('a')).toBe('A')
  lru.set('d', 'D', 1)
  expect([lru.get('a'), lru.get('b'), lru.get('c'), lru.get('d')]).toEqual(['A', undefined, 'C', 'D'])
})

it('does not keep what is heavier than all of it, and loses nothing else for it', () => {
  const lru = new WeightedLru<string>(3)
  lru.set('a', 'A', 1)
  lru.set('b', 'B', 4)
  expect([lru.get('a'), lru.get('b')]).toEqual(['A', undefined])
})

it('never weighs more than its bound, and what it gives is what was set last', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.integer({ min: 1, max: 12 }))), (sets) => {
      const lru = new WeightedLru<number>(10)
      const last = new Map<string, number>()
      for (const [key, weight] of sets) {
        lru.set(key, weight, weight)
        last.set(key, weight)
        expect(lru.weight).toBeLessThanOrEqual(10)
      }
      let weight = 0
      for (const [key, value] of last) {
        const found = lru.get(key)
        if (found !== undefined) expect(found).toBe(value)
        weight += found ?? 0
      }
      expect(lru.weight).toBe(weight)
    }),
  )
})
