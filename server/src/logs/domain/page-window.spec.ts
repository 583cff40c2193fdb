import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nextLine, pageWindow, resolveLine } from './page-window.js'

test('a negative line counts from the end, and not beyond the beginning', () => {
  expect(resolveLine(-1, 10)).toBe(9)
  expect(resolveLine(-10, 10)).toBe(0)
  expect(resolveLine(-11, 10)).toBe(0)
  expect(resolveLine(3, 10)).toBe(3)
})

describe('ascending', () => {
  test.each([
    [undefined, 4, { from: 0, to: 4 }],
    [8, 4, { from: 8, to: 10 }],
    [-3, 100, { from: 7, to: 10 }],
    [10, 4, { from: 10, to: 10 }],
    [25, 4, { from: 25, to: 25 }],
  ])('from %s, at most %i of 10 lines', (from, limit, window) => {
    expect(pageWindow({ from, limit, order: 'asc' }, 10, false)).toEqual(window)
  })

  test('a filter searches to the end', () => {
    expect(pageWindow({ from: 2, limit: 1, order: 'asc' }, 10, true)).toEqual({ from: 2, to: 10 })
  })

  test('an open log always goes on, a sealed one ends', () => {
    expect(nextLine('asc', 10, 10, 'open')).toBe(10)
    expect(nextLine('asc', 10, 10, 'interrupted')).toBe(10)
    expect(nextLine('asc', 10, 10, 'sealed')).toBeNull()
    expect(nextLine('asc', 9, 10, 'sealed')).toBe(9)
    expect(nextLine('asc', 0, 0, 'open')).toBe(0)
  })
})

describe('descending', () => {
  test.each([
    [undefined, 4, { from: 6, to: 10 }],
    [-1, 4, { from: 6, to: 10 }],
    [2, 4, { from: 0, to: 3 }],
    [0, 4, { from: 0, to: 1 }],
    [50, 1, { from: 9, to: 10 }],
    [-20, 4, { from: 0, to: 0 }],
  ])('from %s, at most %i of 10 lines', (from, limit, window) => {
    expect(pageWindow({ from, limit, order: 'desc' }, 10, false)).toEqual(window)
  })

  test('an empty log has an empty page', () => {
    expect(pageWindow({ limit: 4, order: 'desc' }, 0, false)).toEqual({ from: 0, to: 0 })
  })

  test('ends at line 0 in every state', () => {
    expect(nextLine('desc', 0, 10, 'open')).toBeNull()
    expect(nextLine('desc', 6, 10, 'sealed')).toBe(5)
  })
})

test('pages in either order cover every line once', () => {
  fc.assert(
    fc.property(fc.nat(60), fc.integer({ min: 1, max: 20 }), fc.constantFrom('asc' as const, 'desc' as const), (total, limit, order) => {
      const seen: number[] = []
      let from: number | undefined
      for (let pages = 0; pages < 100; pages++) {
        const window = pageWindow({ from, limit, order }, total, false)
        const lines = Array.from({ length: window.to - window.from }, (_, i) => window.from + i)
        seen.push(...(order === 'asc' ? lines : lines.toReversed()))
        const next = nextLine(order, order === 'asc' ? window.to : window.from, total, 'sealed')
        if (next === null) break
        from = next
      }
      const all = Array.from({ length: total }, (_, i) => i)
      expect(seen).toEqual(order === 'asc' ? all : all.toReversed())
    }),
  )
})
