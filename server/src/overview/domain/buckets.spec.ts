import fc from 'fast-check'
import { expect, it } from 'vitest'
import { bucketSize, bucketStarts } from './buckets.js'

const HOUR = 3_600_000

it('takes half hours for a day and ten seconds for five minutes', () => {
  expect(bucketSize(0, 24 * HOUR)).toBe(HOUR / 2)
  expect(bucketSize(0, HOUR / 12)).toBe(10_000)
})

it('covers any time with at most 61 steps', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 1, max: 4e11 }), (from, length) => {
      const size = bucketSize(from, from + length)
      const starts = bucketStarts(from, from + length, size)
      expect(starts.length).toBeLessThanOrEqual(61)
      expect(starts[0]).toBeLessThanOrEqual(from)
      expect((starts.at(-1) ?? 0) + size).toBeGreaterThanOrEqual(from + length)
    }),
  )
})
