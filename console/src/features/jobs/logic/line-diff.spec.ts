import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hunksOf, lineDiff } from './line-diff'

const marks = { same: ' ', removed: '-', added: '+' }
const shown = (before: string, after: string): string[] => lineDiff(before.split(''), after.split('')).map(({ kind, text }) => marks[kind] + text)

describe('the line diff', () => {
  it('shows what was removed and what was added', () => {
    expect(shown('abc', 'axc')).toEqual([' a', '-b', '+x', ' c'])
    expect(shown('', 'ab')).toEqual(['+a', '+b'])
    expect(shown('ab', '')).toEqual(['-a', '-b'])
    expect(shown('abc', 'abc')).toEqual([' a', ' b', ' c'])
  })

  it('numbers the lines of both sides', () => {
    expect(lineDiff(['a', 'b'], ['b', 'c'])).toEqual([
      { kind: 'removed', text: 'a', old: 1 },
      { kind: 'same', text: 'b', old: 2, new: 1 },
      { kind: 'added', text: 'c', new: 2 },
    ])
  })

  it('gives back both texts, whatever they are, with no more edits than needed', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 12 })
    fc.assert(
      fc.property(text, text, (before, after) => {
        const lines = lineDiff(before, after)
        expect(lines.filter((line) => line.kind !== 'added').map((line) => line.text)).toEqual(before)
        expect(lines.filter((line) => line.kind !== 'removed').map((line) => line.text)).toEqual(after)
        expect(lines.filter((line) => line.kind === 'same')).toHaveLength(longestCommon(before, after))
      }),
      { numRuns: 300 },
    )
  })

  it('ends soon with two long texts that have nothing in common', () => {
    const before = Array.from({ length: 5_000 }, (_, i) => `old ${i}`)
    const after = Array.from({ length: 5_000 }, (_, i) => `new ${i}`)
    expect(lineDiff(before, after)).toHaveLength(10_000)
  })
})

describe('hunks', () => {
  it('leave out equal lines that are far from a change', () => {
    const lines = lineDiff('abcdefghij'.split(''), 'abcdeXghij'.split(''))
    expect(hunksOf(lines, 1).map((hunk) => (hunk.kind === 'skipped' ? hunk.count : hunk.lines.map((line) => line.text).join('')))).toEqual([4, 'efXg', 3])
  })

  it('of equal texts are one gap', () => {
    expect(hunksOf(lineDiff(['a', 'b'], ['a', 'b']))).toEqual([{ kind: 'skipped', count: 2 }])
  })
})

function longestCommon(a: string[], b: string[]): number {
  const rows = Array.from({ length: a.length + 1 }, () => Array<number>(b.length + 1).fill(0))
  for (let i = 1; i <= a.length; i += 1)
    for (let j = 1; j <= b.length; j += 1) {
      const row = rows[i] ?? []
      row[j] = a[i - 1] === b[j - 1] ? (rows[i - 1]?.[j - 1] ?? 0) + 1 : Math.max(rows[i - 1]?.[j] ?? 0, row[j - 1] ?? 0)
    }
  return rows[a.length]?.[b.length] ?? 0
}
