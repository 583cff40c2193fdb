import { expect, it } from 'vitest'
import { Backoffs } from './backoffs.js'

it('leaves what fails alone for longer each time it fails, up to a minute', () => {
  const backoff = new Backoffs()
  expect([1, 2, 3].map(() => backoff.failed('a', 0, 0.5))).toEqual([1_000, 2_000, 4_000])
  for (let i = 0; i < 20; i++) backoff.failed('a', 0, 0.5)
  expect(backoff.failed('a', 0, 0.5)).toBe(60_000)
})

it('names what to leave alone, and no longer than due', () => {
  const backoff = new Backoffs()
  backoff.failed('a', 0, 0.5)
  expect(backoff.waiting(999)).toEqual(['a'])
  expect(backoff.waiting(1_000)).toEqual([])
})

it('starts anew after a success', () => {
  const backoff = new Backoffs()
  backoff.failed('a', 0, 0.5)
  backoff.failed('a', 0, 0.5)
  backoff.succeeded('a')
  expect(backoff.failed('a', 0, 0.5)).toBe(1_000)
})

it('remembers a bounded number of failures', () => {
  const backoff = new Backoffs()
  for (let i = 0; i < 5_000; i++) backoff.failed(`item ${i}`, 0, 0.5)
  expect(backoff.waiting(0)).toHaveLength(1_000)
})
