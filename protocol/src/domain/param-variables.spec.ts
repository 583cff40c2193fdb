import fc from 'fast-check'
import { expect, test } from 'vitest'
import { membersOf } from '../json/json-text.js'
import { paramVariables } from './param-variables.js'

const variablesOf = (json: string) => paramVariables(membersOf(json))

test('params become variables: texts as they are, all else as the JSON that the user gave', () => {
  expect(variablesOf('{"backup-dir":"/a b","n":1.0,"list":[1],"v2.x":null}').values).toEqual({
    JOBTRAIL_PARAM_BACKUP_DIR: '/a b',
    JOBTRAIL_PARAM_N: '1.0',
    JOBTRAIL_PARAM_LIST: '[1]',
    JOBTRAIL_PARAM_V2_X: 'null',
  })
})

test('names beyond ASCII become none, so that no two of them are one', () => {
  expect(variablesOf('{"日期":"1","客户":"2","a b":3,"ß":4}')).toMatchObject({ values: {}, clashes: [] })
})

test('two names that would be one variable become none and are told', () => {
  expect(variablesOf('{"a-b":1,"a_b":2,"A.B":3,"c":4}')).toMatchObject({
    values: { JOBTRAIL_PARAM_C: '4' },
    clashes: [
      ['a_b', 'a-b'],
      ['A.B', 'a-b'],
    ],
  })
})

test('any params: each variable belongs to one name', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ maxLength: 4 })), (names) => {
      const { values, names: owners } = paramVariables(new Map(names.map((name, i) => [name, String(i)])))
      for (const [variable, value] of Object.entries(values)) expect(names[Number(value)]).toBe(owners.get(variable))
    }),
  )
})
