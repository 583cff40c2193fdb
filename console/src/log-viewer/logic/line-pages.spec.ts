import type { LogLineView } from '@jobtrail/api/logs'
import { expect, test } from 'vitest'
import { LinePages } from './line-pages'

const line = (n: number, text = `line ${n}`): LogLineView => ({ n, ts: '2026-01-01T00:00:00.000Z', stream: 'stdout', attempt: 1, task: 0, text })
const lines = (from: number, to: number): LogLineView[] => Array.from({ length: to - from }, (_, i) => line(from + i))

test('finds what was put, wherever it came from', () => {
  const pages = new LinePages()
  pages.put(lines(490, 510))
  pages.put(lines(480, 500))
  expect(pages.get(499)?.text).toBe('line 499')
  expect(pages.get(510)).toBeUndefined()
  expect(pages.firstMissing(480, 510)).toBeUndefined()
  expect(pages.firstMissing(480, 520)).toBe(510)
  expect(pages.firstMissing(470, 520)).toBe(470)
})

test('gives up pages that were not used for longest', () => {
  const pages = new LinePages(2)
  pages.put(lines(0, 500))
  pages.put(lines(500, 1_000))
  pages.firstMissing(0, 10)
  pages.put(lines(1_000, 1_500))
  expect(pages.get(0)).toBeDefined()
  expect(pages.get(500)).toBeUndefined()
})

test('long lines count for more, but two pages always stay', () => {
  const pages = new LinePages(40, 1_000)
  for (const n of [0, 500, 1_000]) pages.put([line(n, 'x'.repeat(600))])
  expect([0, 500, 1_000].map((n) => pages.get(n) !== undefined)).toEqual([false, true, true])
})
