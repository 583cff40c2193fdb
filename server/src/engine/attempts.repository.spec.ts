import { type BulkWriteResult, MongoBulkWriteError, type WriteError } from 'mongodb'
import { expect, it } from 'vitest'
import type { Mongo } from '../platform/mongo.js'
import { type AttemptDocument, attemptId, isHeldBy } from './attempt-document.js'
import { AttemptsRepository } from './attempts.repository.js'

it.each([
  ['one that cannot be stored', [121, 11_000], [0, 3]],
  ['what failed is of no item', [189, 11_000], undefined],
])('of attempts of which some are not made none stays, so that the others may be made again: %s', async (_what, codes, removed) => {
  const documents = [0, 1, 2, 3].map((n) => ({ _id: attemptId({ instanceId: `run-${n}`, task: 0, attempt: 1 }) }) as AttemptDocument)
  const writeErrors = codes.map((code, i) => ({ index: i + 1, code }) as WriteError)
  const result = { getWriteConcernError: () => undefined } as unknown as BulkWriteResult
  const failure = new MongoBulkWriteError({ message: 'bulk', code: 121, writeErrors }, result)
  const deletions: unknown[] = []
  const collection = { insertMany: () => Promise.reject(failure), deleteMany: async (filter: unknown) => void deletions.push(filter) }
  const repository = new AttemptsRepository({ collection: () => collection, reads: () => collection } as unknown as Mongo)
  await expect(repository.insertMany(documents)).rejects.toBe(failure)
  expect(deletions).toEqual(removed === undefined ? [] : [{ _id: { $in: removed.map((n) => documents[n]?._id) }, status: 'DISPATCHED' }])
})

it.each([
  ['what it was given itself', { incarnation: 'this', at: 200 }, true],
  ['what a former process was given', { incarnation: 'former', at: 50 }, true],
  ['what its successor was given, of which it may not know yet', { incarnation: 'successor', at: 200 }, false],
  ['what was given before processes were noted', { incarnation: undefined, at: 200 }, true],
])('a process of a worker reports of %s: %s', (_what, { incarnation, at }, isHeld) => {
  const attempt = { workerId: 'worker', dispatchedAt: new Date(at), ...(incarnation === undefined ? {} : { incarnation }) }
  expect(isHeldBy({ id: 'worker', incarnation: 'this', since: new Date(100) }, attempt)).toBe(isHeld)
  expect(isHeldBy({ id: 'another', incarnation: 'this', since: new Date(100) }, attempt)).toBe(false)
})
