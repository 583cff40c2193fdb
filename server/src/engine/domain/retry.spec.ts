import { expect, test } from 'vitest'
import { backoffMs, MAX_UNSTARTED_LOSSES, unstartedBackoffMs } from './retry.js'

test('the wait grows by the factor up to its bound', () => {
  const policy = { maxRetries: 10, backoffMs: 1_000, factor: 3, maxBackoffMs: 20_000 }
  expect([1, 2, 3, 4, 5].map((retry) => backoffMs(policy, retry))).toEqual([1_000, 3_000, 9_000, 20_000, 20_000])
})

test('attempts lost before they started are spread over minutes, not used up at once', () => {
  const waits = Array.from({ length: MAX_UNSTARTED_LOSSES }, (_, i) => unstartedBackoffMs(i + 1))
  expect(waits.slice(0, 3)).toEqual([50, 100, 200])
  expect(waits.at(-1)).toBe(30_000)
  expect(waits.reduce((sum, wait) => sum + wait, 0)).toBeGreaterThan(240_000)
})
