import { expect, it } from 'vitest'
import { bearerOf } from './bearer.js'

it('finds the token of an Authorization header, and nothing in any other', () => {
  expect(bearerOf('Bearer jt_Ab-9')).toBe('jt_Ab-9')
  expect(bearerOf('bearer a.b.c')).toBe('a.b.c')
  for (const header of [undefined, '', 'Bearer', 'Bearer ', 'Basic YTpi', 'Bearer a b', `Bearer ${'x'.repeat(5_000)}`]) expect(bearerOf(header)).toBeUndefined()
})
