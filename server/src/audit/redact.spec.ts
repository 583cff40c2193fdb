import { expect, it } from 'vitest'
import { redact } from './redact.js'

it('hides secrets wherever they stand', () => {
  const details = { fields: ['password'], password: 'p', nested: { secrets: { A: 'x' }, list: [{ token: 't', name: 'n' }] }, tokenId: '1', at: new Date(0) }
  expect(redact(details)).toEqual({
    fields: ['password'],
    password: '***',
    nested: { secrets: '***', list: [{ token: '***', name: 'n' }] },
    tokenId: '1',
    at: '1970-01-01T00:00:00.000Z',
  })
})

it('keeps what is too large out', () => {
  expect(redact({ text: 'x'.repeat(100_000), b: 1 })).toMatchObject({ fields: ['text', 'b'] })
})
