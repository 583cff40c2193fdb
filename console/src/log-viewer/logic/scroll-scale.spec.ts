import { expect, test } from 'vitest'
import { clampTop, isScaled, MAX_SCROLL_PX, maxTop, moveBy, type Scale, scrollHeight, scrollOfTop, topOfScroll } from './scroll-scale'

const scale = (rows: number, isFlexible = false): Scale => ({ rowHeight: 20, rows, viewport: 600, isFlexible })

test('a short log scrolls pixel by pixel', () => {
  expect(scrollHeight(scale(100))).toBe(2_000)
  expect(topOfScroll(scale(100), 50)).toBeCloseTo(2.5)
  expect(isScaled(scale(100))).toBe(false)
})

test('a log that fits does not scroll', () => {
  expect(scrollHeight(scale(5))).toBe(600)
  expect(topOfScroll(scale(5), 0)).toBe(0)
})

test('every line of a long log is reached within the cap', () => {
  const long = scale(50_000_000)
  expect(scrollHeight(long)).toBe(MAX_SCROLL_PX)
  expect(topOfScroll(long, MAX_SCROLL_PX - 600)).toBe(50_000_000 - 30)
  for (const top of [0, 1, 500_000, 49_999_970]) expect(topOfScroll(long, scrollOfTop(long, top))).toBeCloseTo(top, 3)
})

test('with rows of any height the last one can come to the top', () => {
  expect(maxTop(scale(100, true))).toBe(99)
  expect(clampTop(scale(100), 99)).toBe(70)
})

test('pixels are counted by the real heights of rows', () => {
  const heightOf = (row: number) => (row === 10 ? 200 : 20)
  expect(moveBy(scale(100, true), 9, 20, heightOf)).toBe(10)
  expect(moveBy(scale(100, true), 10, 100, heightOf)).toBe(10.5)
  expect(moveBy(scale(100, true), 11, -100, heightOf)).toBe(10.5)
  expect(moveBy(scale(100, true), 1, -1_000, heightOf)).toBe(0)
})
