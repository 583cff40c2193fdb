import { describe, expect, test } from 'vitest'
import { ExactJson } from '@jobtrail/api/exact-json'
import { oddTextsOf } from './odd-text.js'

describe('text that no field takes', () => {
  test.each([
    ['U+0000 in a text', { processor: { args: ['a', 'b\0'] } }, [['processor', 'args', 1]]],
    ['U+0000 in a name', { env: { 'A\0': 'x' } }, [['env', 'A\0']]],
    ['half a character', { search: 'a\uD800' }, [['search']]],
    ['__proto__', JSON.parse('{"env":{"__proto__":"x"}}') as unknown, [['env', '__proto__']]],
    ['two of them', { a: '\0', b: '\uDC00' }, [['a'], ['b']]],
    ['a whole text', '\0', [[]]],
  ])('%s is named', (_what, value, paths) => expect(oddTextsOf(value).map(({ path }) => path)).toEqual(paths))

  test('is none: whole characters, control characters, JSON of users', () => {
    expect(oddTextsOf({ a: '😀\n\t\u001B[0m', b: [1, null, true], params: new ExactJson('{"a\\u0000":1}'), constructor: 'x' })).toEqual([])
  })

  test('nesting without end is a fault, not an overflow', () => {
    let deep: unknown = 1
    for (let i = 0; i < 300_000; i++) deep = [deep]
    expect(oddTextsOf({ deep })).toEqual([{ path: ['deep'], message: 'is nested more than 120 levels deep' }])
  })
})
