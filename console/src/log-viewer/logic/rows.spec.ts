import { expect, test } from 'vitest'
import { groupMark, groupsOf } from './groups'
import { jsonOf } from './json-line'
import { clickLine, hashOf, parseHash } from './line-hash'
import { Matches } from './matches'
import { borderedRows, chosenRows, foldedRows, withContext } from './row-map'
import { offsetText } from './stamps'

test('folded lines have no row, and every other line has the row it is found in again', () => {
  const map = foldedRows(100, [
    { from: 10, to: 20 },
    { from: 50, to: 51 },
  ])
  expect(map.count).toBe(89)
  for (let row = 0; row < map.count; row++) expect(map.rowOf(map.lineAt(row))).toBe(row)
  expect([map.lineAt(9), map.lineAt(10), map.lineAt(39), map.lineAt(40)]).toEqual([9, 20, 49, 51])
  expect(map.rowOf(15)).toBe(9)
})

test('a fold that reaches beyond the end hides what is there', () => {
  expect(foldedRows(10, [{ from: 5, to: 100 }]).count).toBe(5)
})

test('borders are rows of their own before and after the lines', () => {
  const map = borderedRows(foldedRows(10, [{ from: 2, to: 5 }]), 10, { hasHead: true, hasTail: true })
  expect(Array.from({ length: map.count }, (_, row) => map.lineAt(row))).toEqual([-1, 0, 1, 5, 6, 7, 8, 9, 10])
  for (let row = 0; row < map.count - 1; row++) expect(map.rowOf(map.lineAt(row))).toBe(row)
  expect(borderedRows(foldedRows(0, []), 0, { hasHead: true, hasTail: true }).count).toBe(2)
})

test('matches with context are shown once each, and say where lines are left out', () => {
  const lines = withContext([0, 3, 20], 2, 22)
  expect(lines).toEqual([0, 1, 2, 3, 4, 5, 18, 19, 20, 21])
  const map = chosenRows(lines)
  expect(map.skipsBefore(6)).toBe(true)
  expect(map.skipsBefore(5)).toBe(false)
  expect(map.rowOf(20)).toBe(8)
  expect(map.rowOf(10)).toBe(5)
})

test('groups begin and end at their marks; the next one and the end of the log end an open one', () => {
  const marks = ['::group::A', 'x', '::endgroup::', '##[group]B', 'y', '::group::C'].map((text, n) => groupMark(n, text)).filter((mark) => mark !== undefined)
  expect(groupsOf(marks, 8)).toEqual([
    { start: 0, end: 3, title: 'A' },
    { start: 3, end: 5, title: 'B' },
    { start: 5, end: 8, title: 'C' },
  ])
  expect(groupMark(0, 'see ::group::')).toBeUndefined()
})

test('JSON is found behind a prefix, and other text is left alone', () => {
  expect(jsonOf('[INFO] 12:00 {"a":1,"b":[2]}')).toEqual({ before: '[INFO] 12:00 ', value: { a: 1, b: [2] } })
  expect(jsonOf('{"a":1,"b":2} trailing')).toBeUndefined()
  expect(jsonOf('array[1]')).toBeUndefined()
  expect(jsonOf('[not json]')).toBeUndefined()
})

test('a link to lines is read and written, from 1 on and in either order', () => {
  expect(parseHash('#L120-L140')).toEqual({ from: 119, to: 139 })
  expect(parseHash('#L140-120')).toEqual({ from: 119, to: 139 })
  expect(hashOf(parseHash('#L7'))).toBe('#L7')
  for (const hash of ['', '#L0', '#x', '#L1-L0', '#L1x']) expect(parseHash(hash)).toBeUndefined()
})

test('a click selects a line, again none, with shift a range', () => {
  expect(clickLine(undefined, 5, true)).toEqual({ from: 5, to: 5 })
  expect(clickLine({ from: 5, to: 5 }, 5, false)).toBeUndefined()
  expect(clickLine({ from: 5, to: 5 }, 9, true)).toEqual({ from: 5, to: 9 })
  expect(clickLine({ from: 5, to: 9 }, 2, true)).toEqual({ from: 2, to: 9 })
})

test('search steps round, and starts from where the reader is', () => {
  const matches = new Matches()
  for (const n of [3, 3, 10, 20]) matches.add(n, [[0, 1]])
  expect(matches.lines).toEqual([3, 10, 20])
  expect([matches.indexFrom(0), matches.indexFrom(10), matches.indexFrom(11), matches.indexFrom(21)]).toEqual([0, 1, 2, 0])
  expect([matches.step(2, 1), matches.step(0, -1)]).toEqual([0, 2])
})

test('offsets read alike at any length', () => {
  expect([0, 125, 62_500, 7_205_000, -5].map(offsetText)).toEqual(['+0.000', '+0.125', '+1:02.500', '+2:00:05.000', '-0.005'])
})
