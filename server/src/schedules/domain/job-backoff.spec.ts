import { expect, it } from 'vitest'
import { JobBackoff } from './job-backoff.js'

it('leaves a job alone for longer each time it fails, up to a minute', () => {
  const backoff = new JobBackoff()
  expect([1, 2, 3].map(() => backoff.failed('a', 0, 0.5))).toEqual([1_000, 2_000, 4_000])
  for (let i = 0; i < 20; i++) backoff.failed('a', 0, 0.5)
  expect(backoff.failed('a', 0, 0.5)).toBe(60_000)
})

it('names the jobs to leave alone, and no longer than due', () => {
  const backoff = new JobBackoff()
  backoff.failed('a', 0, 0.5)
  expect(backoff.waiting(999)).toEqual(['a'])
  expect(backoff.waiting(1_000)).toEqual([])
})

it('starts anew after a success', () => {
  const backoff = new JobBackoff()
  backoff.failed('a', 0, 0.5)
  backoff.failed('a', 0, 0.5)
  backoff.succeeded('a')
  expect(backoff.failed('a', 0, 0.5)).toBe(1_000)
})

it('remembers a bounded number of jobs', () => {
  const backoff = new JobBackoff()
  for (let i = 0; i < 5_000; i++) backoff.failed(`job ${i}`, 0, 0.5)
  expect(backoff.waiting(0)).toHaveLength(1_000)
})
