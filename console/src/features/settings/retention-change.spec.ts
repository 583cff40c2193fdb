import { expect, test } from 'vitest'
import { isSame, isShorter } from './retention-change'

const keep = (runsDays: number | null, logsDays: number | null = null, auditDays: number | null = null) => ({ runsDays, logsDays, auditDays })

test('whoever makes it shorter is asked first, since something is removed', () => {
  expect(isShorter(keep(null), keep(90))).toBe(true)
  expect(isShorter(keep(90), keep(30))).toBe(true)
  expect(isShorter(keep(null), keep(null, 30))).toBe(true)
  expect(isShorter(keep(90), keep(90, 30))).toBe(true)
  expect(isShorter(keep(null), keep(null, null, 365))).toBe(true)
})

test('what is kept as long or longer removes nothing', () => {
  expect(isShorter(keep(90), keep(90))).toBe(false)
  expect(isShorter(keep(90, 30), keep(null, 30))).toBe(false)
  expect(isShorter(keep(90), keep(90, 90))).toBe(false)
  expect(isShorter(keep(90, 30), keep(null))).toBe(false)
  expect(isShorter(keep(90, 30, 365), keep(90, 30))).toBe(false)
})

test('what is the same need not be saved', () => {
  expect(isSame(keep(90, 30), keep(90, 30))).toBe(true)
  expect(isSame(keep(90, 30), keep(90))).toBe(false)
  expect(isSame(keep(90, 30), keep(90, 30, 365))).toBe(false)
})
