import { describe, expect, it } from 'vitest'
import { databaseOf } from './mongo.js'

describe('the database', () => {
  it.each([
    ['mongodb://127.0.0.1:27017/jobtrail?replicaSet=rs0', 'jobtrail'],
    ['mongodb://a:1,b:2,c:3/other', 'other'],
    ['mongodb://user:p%2Fw@a:1/test?retryWrites=true', 'test'],
    ['mongodb+srv://host.example.com/my%20data', 'my data'],
  ])('of %s is what its path names: %s', (uri, name) => {
    expect(databaseOf(uri)).toBe(name)
  })

  it.each(['mongodb://127.0.0.1:27017', 'mongodb://127.0.0.1:27017/', 'mongodb://127.0.0.1:27017/?replicaSet=rs0', 'mongodb://127.0.0.1:27017?replicaSet=rs0'])(
    'of %s, which names none, is jobtrail',
    (uri) => {
      expect(databaseOf(uri)).toBe('jobtrail')
    },
  )
})
