import { expect, it } from 'vitest'
import { exactDuration } from './exact-duration'

it.each([
  [0, '0 s'],
  [250, '250 ms'],
  [5_000, '5 s'],
  [90 * 60_000, '1 h 30 m'],
  [86_400_001, '1 d 1 ms'],
])('%d ms is %s', (ms, text) => {
  expect(exactDuration(ms)).toBe(text)
})
