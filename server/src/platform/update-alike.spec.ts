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

  it('are not alike when their conditions differ', () => {
    expect(updateAlike([change('a', 1), change('b', 1, { status: 'WAITING' })])).toHaveLength(2)
  })
})
