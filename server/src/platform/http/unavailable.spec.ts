import { MongoNetworkError, MongoServerError } from 'mongodb'
import { expect, it } from 'vitest'
import { isUnavailable } from './unavailable.js'

const broken = (code: string, syscall?: string): Error =>
  Object.assign(new Error(`${syscall ?? ''} ${code}`), { code, ...(syscall === undefined ? {} : { syscall }) })

it.each([
  ['a network error of the driver', new MongoNetworkError('connection 3 closed'), true],
  ['a connection that broke while a command was written, which the driver does not wrap', broken('ECONNRESET', 'write'), true],
  ['the same as a cause', new Error('not stored', { cause: broken('EPIPE', 'write') }), true],
  ['a step-down', new MongoServerError({ message: 'not primary', code: 10_107 }), true],
  ['Redis that closed', new Error('Connection is closed.'), true],
  ['a document that is not allowed', new MongoServerError({ message: 'Document failed validation', code: 121 }), false],
  ['a file that is missing', broken('ENOENT', 'open'), false],
  ['an error that only has such a code', broken('ECONNRESET'), false],
])('%s: a store is away or not', (_what, error, isAway) => {
  expect(isUnavailable(error)).toBe(isAway)
})
