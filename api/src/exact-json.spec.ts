import { describe, expect, test } from 'vitest'
import { ExactJson, exactValue, mergeObjects, parseExact, readExact, stringifyExact, type UserObject } from './exact-json.js'

const ODD = '{"big":12345678901234567890,"__proto__":{"list":[1.0,{"$&":"$1"}]},"e":{}}'

describe('exact JSON', () => {
  test('is a plain value where that gives it back, and keeps its text where not', () => {
    expect(exactValue(' {"a": [1, null]} ')).toEqual({ a: [1, null] })
    expect(exactValue(ODD)).toEqual(new ExactJson(ODD))
    expect(stringifyExact(exactValue('['.repeat(100_000) + ']'.repeat(100_000)))).toHaveLength(200_000)
  })

  test('stands in other JSON as it is, wherever it is', () => {
    const odd = exactValue(ODD)
    expect(stringifyExact({ a: 'ü', params: odd, list: [{ result: new ExactJson('1e400') }] })).toBe(`{"a":"ü","params":${ODD},"list":[{"result":1e400}]}`)
    expect(stringifyExact(odd)).toBe(ODD)
    expect(JSON.stringify({ result: new ExactJson('1.0') })).toBe('{"result":1}')
    const failing = {
      toJSON: (): never => {
        throw new Error('no')
      },
    }
    expect(() => stringifyExact([odd, failing])).toThrow('no')
    expect(JSON.stringify([new ExactJson('1.0')])).toBe('[1]')
  })

  test('is indented as other JSON is', () => {
    const plain = { a: [1, { b: 'x' }, []], c: {} }
    const text = JSON.stringify(plain)
    expect(stringifyExact({ params: new ExactJson(text), n: 1 }, 2)).toBe(JSON.stringify({ params: plain, n: 1 }, null, 2))
    expect(stringifyExact([new ExactJson(text), new ExactJson('7')], 2)).toBe(JSON.stringify([plain, 7], null, 2))
    expect(stringifyExact(exactValue(ODD), 2)).toContain('  "big": 12345678901234567890,\n  "__proto__": {\n    "list": [\n      1.0,\n')
  })

  test('is found in a body at the paths where users have theirs', () => {
    const paths = [['params'], ['runs', '*', 'params']]
    expect(parseExact(`{"name": "a", "params": ${ODD}}`, paths)).toEqual({ name: 'a', params: new ExactJson(ODD) })
    expect(parseExact(`{"runs": [{"params": {"a": 1}}, {"delayMs": 1}, null, {"p\\u0061rams": ${ODD}}]}`, paths)).toEqual({
      runs: [{ params: { a: 1 } }, { delayMs: 1 }, null, { params: new ExactJson(ODD) }],
    })
    expect(parseExact('{"other": 1.0}', paths)).toEqual({ other: 1 })
    for (const body of ['7', 'null', '[{"params":1}]', '{"runs":{"params":{}}}']) expect(parseExact(body, paths)).toEqual(JSON.parse(body))
    expect(() => parseExact('{"params":', paths)).toThrow(SyntaxError)
  })

  test('of two objects is merged by member', () => {
    const merged = (a: UserObject, b: UserObject): string => stringifyExact(mergeObjects(a, b))
    expect(merged({ a: 1, b: 2 }, { b: 3 })).toBe('{"a":1,"b":3}')
    expect(merged({ a: 1, b: 2 }, new ExactJson('{"b":1.0}'))).toBe('{"a":1,"b":1.0}')
    expect(mergeObjects(new ExactJson('{"b":1.0}'), { b: 1 })).toEqual({ b: 1 })
  })

  test('is bounded', () => {
    expect(readExact(new ExactJson('['.repeat(101) + ']'.repeat(101)))).toEqual({ problem: 'is nested 101 levels deep, the limit is 100' })
    expect(readExact({ a: 1 })).toEqual({ text: '{"a":1}' })
  })
})
