import { expect, test } from 'vitest'
import type { SseBlock } from '../domain/sse.js'
import { BlockWindow } from './block-window.js'

const block = (n: number, bytes = 96): SseBlock => ({ n, end: n + 1, text: Buffer.alloc(bytes), starts: new Uint32Array(1) })

test('gives up the oldest block when it is full', () => {
  const window = new BlockWindow(300, { bytes: 0, limit: 1_000 })
  for (const n of [0, 1, 2, 3]) window.add(block(n))
  expect([0, 1, 2, 3].map((n) => window.find(n) !== undefined)).toEqual([false, true, true, true])
})

test('gives up blocks when all windows together are full, but never its newest', () => {
  const budget = { bytes: 0, limit: 250 }
  const [one, two] = [new BlockWindow(1_000, budget), new BlockWindow(1_000, budget)]
  one.add(block(0))
  one.add(block(1))
  two.add(block(0))
  two.add(block(1))
  expect(two.find(0)).toBeUndefined()
  expect(two.find(1)).toBeDefined()
  one.clear()
  two.clear()
  expect(budget.bytes).toBe(0)
})

test('counts a block that is added again once', () => {
  const budget = { bytes: 0, limit: 1_000 }
  const window = new BlockWindow(1_000, budget)
  window.add(block(0))
  window.add(block(0))
  expect(budget.bytes).toBe(100)
})

test('finds the block that holds a line', () => {
  const window = new BlockWindow(1_000, { bytes: 0, limit: 1_000 })
  window.add({ ...block(10), end: 20 })
  expect(window.find(15)?.n).toBe(10)
  expect(window.find(20)).toBeUndefined()
})
