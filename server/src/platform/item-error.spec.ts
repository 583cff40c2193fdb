import { BSON, MongoBulkWriteError, type BulkWriteResult, MongoNetworkError, MongoServerError, type WriteError } from 'mongodb'
import { describe, expect, test } from 'vitest'
import { isItemError } from './item-error.js'

function serializing(document: object): unknown {
  try {
    BSON.serialize(document)
  } catch (error) {
    return error
  }
  throw new Error('it was serialized')
}

const writeError = (code: number) => ({ index: 0, code }) as WriteError
function bulkError(codes: number[], writeConcernError?: object): MongoBulkWriteError {
  const result = { getWriteConcernError: () => writeConcernError } as unknown as BulkWriteResult
  return new MongoBulkWriteError({ message: 'bulk', code: codes[0] ?? 0, writeErrors: codes.map(writeError) }, result)
}

describe('an error of an item', () => {
  test.each([
    ['a member that pretends to be a BSON type', serializing({ params: { _bsontype: 'ObjectId' } })],
    ['a key with U+0000', serializing({ 'a\0b': 1 })],
    ['nesting deeper than MongoDB takes', new MongoServerError({ message: 'too deep', code: 15 })],
    ['an update that makes a document too large', new MongoServerError({ message: 'too large', code: 17_419 })],
    ['a stack that is too small for a value', new RangeError('Maximum call stack size exceeded')],
    ['a document above the limit', new MongoServerError({ message: 'too large', code: 10_334 })],
    ['a validator', bulkError([121, 11_000])],
  ])('is %s', (_what, error) => expect(isItemError(error)).toBe(true))

  test.each([
    ['the network', new MongoNetworkError('away')],
    ['a step-down', new MongoServerError({ message: 'stepped down', code: 189 })],
    ['a bulk write that was cut off', bulkError([])],
    ['a write concern', bulkError([121], { code: 64 })],
    ['a step-down within a bulk write', bulkError([121, 11_602])],
    ['an unknown error', new Error('away')],
  ])('is not %s', (_what, error) => expect(isItemError(error)).toBe(false))
})
