import { describe, expect, test } from 'vitest'
import { hasText } from './result-text.js'

describe('the text of a result', () => {
  test('is that of the error and of the result, any case', () => {
    expect(hasText('OUT OF', 'Ran out of disk', null)).toBe(true)
    expect(hasText('Zürich', null, 'from ZÜRICH')).toBe(true)
    expect(hasText('disk', 'Ran out of memory', { rows: 3 })).toBe(false)
  })

  test('of a result that is no text is its compact JSON', () => {
    expect(hasText('"rows":3', null, { a: [{ rows: 3 }] })).toBe(true)
    expect(hasText('17', null, 1234175)).toBe(true)
    expect(hasText('true', null, true)).toBe(true)
  })

  test('is not there without a result, and its signs mean themselves', () => {
    expect(hasText('null', null, null)).toBe(false)
    expect(hasText('.*', 'anything', { a: 1 })).toBe(false)
  })
})
