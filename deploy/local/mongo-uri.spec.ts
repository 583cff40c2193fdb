import { expect, test } from 'vitest'
import { databaseOf, withDatabase } from './mongo-uri.js'

test.each([
  ['mongodb://a:1', 'mongodb://a:1/x'],
  ['mongodb://a:1/', 'mongodb://a:1/x'],
  ['mongodb://a:1,b:2/old', 'mongodb://a:1,b:2/x'],
  ['mongodb://a:1/old?replicaSet=r', 'mongodb://a:1/x?replicaSet=r'],
  ['mongodb://a:1/?replicaSet=r', 'mongodb://a:1/x?replicaSet=r'],
  ['mongodb+srv://user:p%2Fw@host/old?w=1', 'mongodb+srv://user:p%2Fw@host/x?w=1'],
])('%s with another database is %s', (uri, expected) => {
  expect(withDatabase(uri, 'x')).toBe(expected)
})

test('the name of the database is found where there is one', () => {
  expect(databaseOf('mongodb://a:1/jobs?replicaSet=r')).toBe('jobs')
  expect(databaseOf('mongodb://a:1/?replicaSet=r')).toBeUndefined()
  expect(databaseOf('mongodb://a:1')).toBeUndefined()
})
