import { expect, test } from 'vitest'
import { backoffMs } from './retry.js'

test('the wait grows by the factor up to its bound', () => {
  const policy = { maxRetries: 10, backoffMs: 1_000, factor: 3, maxBackoffMs: 20_000 }
  expect([1, 2, 3, 4, 5].map((retry) => backoffMs(policy, retry))).toEqual([1_000, 3_000, 9_000, 20_000, 20_000])
})
