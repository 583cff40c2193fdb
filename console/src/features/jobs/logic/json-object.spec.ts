import { expect, it } from 'vitest'
import { parseObject } from './json-object'

it('an object is taken, anything else is named', () => {
  expect(parseObject('{"a": 1}')).toEqual({ value: { a: 1 } })
  expect(parseObject(' ')).toEqual({ problem: 'empty' })
  expect(parseObject('[1]')).toEqual({ problem: 'notObject' })
  expect(parseObject('null')).toEqual({ problem: 'notObject' })
  expect(parseObject('{a: 1}')).toMatchObject({ problem: 'syntax' })
})
