import { expect, it } from 'vitest'
import { ForwardClock } from './clock.js'

it('time goes on at its pace while the wall clock is set back, and follows it forward', () => {
  let wall = 1_000_000
  let mono = 50
  const clock = new ForwardClock(
    () => wall,
    () => mono,
  )
  const pass = (ms: number, step = 0): number => {
    mono += ms
    wall += ms + step
    return clock.now()
  }
  expect(clock.now()).toBe(1_000_000)
  expect(pass(10)).toBe(1_000_010)
  expect(pass(10, -300_000)).toBe(1_000_020)
  expect(pass(1_000)).toBe(1_001_020)
  expect(pass(10, 600_000)).toBe(wall)
})
