import { expect, test } from 'vitest'
import { ValidationError } from '@jobtrail/protocol/domain/errors'
import { lineMatcher } from './line-matcher.js'

test('text is found wherever it stands, and means nothing but itself', () => {
  const matcher = lineMatcher({ q: 'a.b', mode: 'text', case: true })
  expect(matcher.places('a.b axb a.b')).toEqual([
    [0, 3],
    [8, 11],
  ])
  expect(matcher.mayMatch('axb\nA.B')).toBe(false)
})

test('case is ignored unless asked for', () => {
  const matcher = lineMatcher({ q: 'Error', mode: 'text', case: false })
  expect(matcher.mayMatch('x\nERROR: y')).toBe(true)
  expect(matcher.places('ERROR: error')).toEqual([
    [0, 5],
    [7, 12],
  ])
})

test('no character of a text has a meaning, with case or without', () => {
  for (const q of ['a.b*c', '[x]', '(y', 'back\\slash', '$1 ^2', 'a|b', '{3}', 'a/b-c']) {
    for (const isCase of [true, false]) {
      const matcher = lineMatcher({ q, mode: 'text', case: isCase })
      expect(matcher.mayMatch(`one\ntwo ${q} three`)).toBe(true)
      expect(matcher.places(`two ${q}`)).toEqual([[4, 4 + q.length]])
      expect(matcher.mayMatch('abbbc x y 1 2 aaa')).toBe(false)
    }
  }
})

test('^ and $ are the ends of a line, also when many lines are looked at', () => {
  const matcher = lineMatcher({ q: '^b+$', mode: 'regex', case: true })
  expect(matcher.mayMatch('a\nbbb\nc')).toBe(true)
  expect(matcher.places('bbb')).toEqual([[0, 3]])
  expect(matcher.places('abbb')).toEqual([])
})

test('a pattern that needs single lines is not judged by many', () => {
  expect(lineMatcher({ q: String.raw`\Ab`, mode: 'regex', case: true }).mayMatch('a\nb')).toBe(true)
})

test('a pattern that is not RE2 or multiplies repetitions is refused with its reason', () => {
  expect(() => lineMatcher({ q: '(', mode: 'regex', case: true })).toThrow(ValidationError)
  expect(() => lineMatcher({ q: '((a{1,30}){1,30}){1,9}', mode: 'regex', case: true })).toThrow(ValidationError)
})

test('a pattern that makes other engines run for ever takes linear time', () => {
  const started = performance.now()
  expect(lineMatcher({ q: '(a+)+$', mode: 'regex', case: true }).places(`${'a'.repeat(50_000)}b`)).toEqual([])
  expect(performance.now() - started).toBeLessThan(5_000)
})
