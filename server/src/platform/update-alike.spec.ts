import { Binary } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { updateAlike } from './update-alike.js'

const change = (id: string, at: number, filter: object = { status: 'RUNNING' }) => ({ id, filter, update: { $set: { at: new Date(at) } } })

describe('changes of documents', () => {
  it('that are alike are one operation', () => {
    expect(updateAlike([change('a', 1), change('b', 2), change('c', 1)])).toEqual([
      { updateMany: { filter: { status: 'RUNNING', _id: { $in: ['a', 'c'] } }, update: { $set: { at: new Date(1) } } } },
      { updateMany: { filter: { status: 'RUNNING', _id: 'b' }, update: { $set: { at: new Date(2) } } } },
    ])
  })

  it.each([
    ['a date and its text', new Date(0), new Date(0).toJSON()],
    ['NaN and null', Number.NaN, null],
    ['bytes and their base64', new Binary(Buffer.from('abc')), 'YWJj'],
    ['texts that differ late', `${'x'.repeat(1_000)}a`, `${'x'.repeat(1_000)}b`],
  ])('are not alike when one sets %s', (_what, one, other) => {
    const updates = [one, other].map((value, i) => ({ id: String(i), filter: {}, update: { $set: { value } } }))
    expect(updateAlike(updates).map((operation) => ('updateMany' in operation ? operation.updateMany.update : undefined))).toEqual(
      updates.map(({ update }) => update),
    )
  })

  it('that cannot be stored stand alone', () => {
    const bad = { id: 'a', filter: {}, update: { $set: { value: { _bsontype: 'ObjectId' } } } }
    expect(updateAlike([bad, { ...bad, id: 'b' }])).toHaveLength(2)
  })

  it('are not alike when their conditions differ', () => {
    expect(updateAlike([change('a', 1), change('b', 1, { status: 'WAITING' })])).toHaveLength(2)
  })
})
