import { expect, it } from 'vitest'
import { retryWaits } from './retry-waits'

it('waits grow by the factor up to the longest', () => {
  expect(retryWaits({ maxRetries: 5, backoffMs: 1_000, factor: 2, maxBackoffMs: 5_000 }, 4)).toEqual({
    waits: [1_000, 2_000, 4_000, 5_000],
    isMore: true,
    totalMs: 17_000,
  })
})

it('no retries, no waits', () => {
  expect(retryWaits({ maxRetries: 0, backoffMs: 1_000, factor: 2, maxBackoffMs: 5_000 })).toEqual({ waits: [], isMore: false, totalMs: 0 })
})
