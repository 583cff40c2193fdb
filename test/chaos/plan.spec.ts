import { expect, test } from 'vitest'
import { makePlan } from './plan.js'

const kinds = [
  { name: 'often', weight: 10 },
  { name: 'seldom', weight: 1 },
  { name: 'never again', weight: 0 },
]

test('a plan follows from its seed', () => {
  expect(makePlan(7, 60_000, 1_000, kinds)).toEqual(makePlan(7, 60_000, 1_000, kinds))
  expect(makePlan(8, 60_000, 1_000, kinds)).not.toEqual(makePlan(7, 60_000, 1_000, kinds))
})

test('a plan has every kind once to begin with, goes by weight then, and ends in time', () => {
  const plan = makePlan(7, 1_000_000, 1_000, kinds)
  expect(new Set(plan.slice(0, 3).map(({ kind }) => kind)).size).toBe(3)
  const later = plan.slice(3).map(({ kind }) => kind)
  expect(later.filter((kind) => kind === 'never again')).toEqual([])
  expect(later.filter((kind) => kind === 'often').length).toBeGreaterThan(5 * later.filter((kind) => kind === 'seldom').length)
  expect(plan.length).toBeGreaterThan(900)
  expect(plan.length).toBeLessThan(1_100)
  expect(plan.every(({ atMs }, i) => atMs < 1_000_000 && atMs > (plan[i - 1]?.atMs ?? 0))).toBe(true)
})
