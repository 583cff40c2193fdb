import { expect, it } from 'vitest'
import { jsonSchema } from './ensure-collection.js'

it('requires the fields and types the optional ones', () => {
  expect(jsonSchema({ fields: { _id: 'string', at: ['date', 'null'] }, optional: { state: { enum: ['open'] } } })).toEqual({
    bsonType: 'object',
    required: ['_id', 'at'],
    properties: { _id: { bsonType: 'string' }, at: { bsonType: ['date', 'null'] }, state: { enum: ['open'] } },
  })
})
