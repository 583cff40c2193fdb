import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compactJson, holdJson, itemsOf, MAX_USER_JSON_DEPTH, membersOf, readUserJson, readUserValue } from './json-text.js'

const heldText = ({ value, text }: { value: unknown; text?: string }): string => text ?? JSON.stringify(value)
const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)
const textOf = (json: string): string => {
  const read = readUserJson(json)
  if ('problem' in read) throw new Error(read.problem)
  return read.text
}

/** JSON texts as people and programs write them: any numbers, names and escapes, white space anywhere. */
const space = fc.constantFrom('', ' ', '\n  ', '\t', '\r\n')
const string = fc.oneof(
  fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
  fc.constantFrom('"__proto__"', '"constructor"', '"_bsontype"', '"a\\u0000"', '"\\u005f\\u005fproto__"', '"\\ud800"', '"$set"', '"\\/"', '"}],{\\""'),
)
const number = fc.constantFrom('0', '-0', '1', '1.0', '1e400', '12345678901234567890', '-1.50E+3', '9007199254740993')
const json = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(string, number, fc.constantFrom('true', 'false', 'null')),
    fc.tuple(fc.array(tie('value'), { maxLength: 4 }), space).map(([items, gap]) => `[${gap}${items.join(`${gap},${gap}`)}${gap}]`),
    fc
      .tuple(fc.array(fc.tuple(string, tie('value')), { maxLength: 4 }), space)
      .map(([members, gap]) => `{${gap}${members.map(([name, value]) => `${name}${gap}:${gap}${value}`).join(`${gap},${gap}`)}${gap}}`),
  ),
})).value

describe('user JSON', () => {
  test('is kept to the letter but for white space between tokens', () => {
    const odd = '{"big":12345678901234567890,"huge":1e400,"one":1.0,"__proto__":{"a":1},"constructor":2,"n\\u0000l":3,"_bsontype":"ObjectId","2":0,"1":0}'
    expect(textOf(odd)).toBe(odd)
    expect(textOf('{ "a" : [ 1 ,\n "x y" ] }\n')).toBe('{"a":[1,"x y"]}')
    expect(heldText(holdJson(odd, {}))).toBe(odd)
  })

  test('any JSON comes back as it was from where it is held, parses to the same, and survives being a value where it is one', () => {
    fc.assert(
      fc.property(json, (source) => {
        const text = textOf(source)
        expect(JSON.parse(text)).toEqual(JSON.parse(source))
        expect(textOf(text)).toBe(text)
        const held = holdJson(text, null)
        // Through the serializers of a message.
        expect(heldText(JSON.parse(JSON.stringify(held)) as typeof held)).toBe(text)
      }),
    )
  })

  test('the members of an object and the items of a list are cut out where they stand', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ unit: 'binary' })), fc.array(json), space, (names, values, gap) => {
        const members = names.map((name, i) => [JSON.stringify(name), values[i] ?? 'null'] as const)
        const object = `${gap}{${members.map(([name, value]) => `${gap}${name}${gap}:${gap}${value}${gap}`).join(',')}}${gap}`
        expect([...membersOf(object)]).toEqual(members.map(([name, value]) => [JSON.parse(name), value]))
        const list = `${gap}[${gap}${values.join(`${gap},${gap}`)}${gap}]${gap}`
        expect(itemsOf(list)).toEqual(values)
      }),
    )
    expect(membersOf('{"a":1,"\\u0061":2}')).toEqual(new Map([['a', '2']]))
    expect(membersOf('[1]').size + itemsOf('{"a":1}').length + membersOf('7').size).toBe(0)
  })

  test('is bounded in depth and in bytes, and says by how much it is over', () => {
    expect(readUserJson(nested(MAX_USER_JSON_DEPTH))).toEqual({ text: nested(MAX_USER_JSON_DEPTH) })
    expect(readUserJson(nested(6_000))).toEqual({ problem: 'is nested 6,000 levels deep, the limit is 100' })
    expect(readUserJson(`"${'ü'.repeat(32_768)}"`)).toEqual({ problem: 'has 65,538 bytes, the limit is 65,536' })
    expect(readUserJson('{"a":')).toEqual({ problem: expect.stringMatching(/^is not JSON: /) })
    expect(compactJson('[[1],"[[["]').depth).toBe(2)
  })

  test('of a value that has none is a problem, not an error', () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    for (const value of [cycle, 1n, undefined, () => 1]) expect(readUserValue(value)).toEqual({ problem: expect.stringContaining('cannot be written as JSON') })
    let deep: unknown = 1
    for (let i = 0; i < 100_000; i++) deep = [deep]
    expect(readUserValue(deep)).toHaveProperty('problem')
    expect(readUserValue({ a: 'ü' })).toEqual({ text: '{"a":"ü"}' })
  })

  test('is a value where one gives the same text again, else text', () => {
    expect(holdJson('{"a":[1,2.5,"x",null]}', {})).toEqual({ value: { a: [1, 2.5, 'x', null] } })
    for (const text of ['{"_bsontype":"ObjectId"}', '{"$ref":1}', '{"a":1.0}', '"\\ud800"', '{"a\\u0000b":1}', '{"a":1,"a":2}', '{"2":1,"1":2}', '-0'])
      expect(holdJson(text, null)).toEqual({ value: null, text })
  })
})
