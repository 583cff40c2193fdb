import { expect, it } from 'vitest'
import { objectProblem, parseObject } from './json-object'
import { problemWords } from './problem-words'

it('an object is taken, anything else is named', () => {
  expect(parseObject('{"a": 1}')).toEqual({ value: { a: 1 } })
  expect(parseObject(' ')).toEqual({ problem: 'empty' })
  expect(parseObject('[1]')).toEqual({ problem: 'notObject' })
  expect(parseObject('null')).toEqual({ problem: 'notObject' })
  expect(parseObject('{a: 1}')).toMatchObject({ problem: 'syntax' })
})

it('what is wrong with a text is known in every language', () => {
  expect(objectProblem(parseObject('{}'))).toBeUndefined()
  const keyOf = (text: string): string | undefined => problemWords(objectProblem(parseObject(text)) ?? '')?.key
  expect(['{a: 1}', '{\n"a": ]', '[1]', ''].map(keyOf)).toEqual(['json', 'json', 'jsonObject', 'jsonEmpty'])
})
