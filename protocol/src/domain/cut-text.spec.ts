import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cutText } from './cut-text.js'

test('a text that is too long is cut between characters and says so', () => {
  expect(cutText('abc', 3)).toBe('abc')
  expect(cutText('abcd', 3)).toBe('ab…')
  expect(cutText('a😀bcd', 3)).toBe('a…')
  expect(cutText('a\uD800', 9)).toBe('a\uFFFD')
})

test('any text fits and survives UTF-8', () => {
  const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 30 }).map((codes) => String.fromCharCode(...codes))
  fc.assert(
    fc.property(units, fc.integer({ min: 1, max: 20 }), (text, length) => {
      const cut = cutText(text, length)
      expect(cut.length).toBeLessThanOrEqual(length)
      expect(Buffer.from(cut).toString()).toBe(cut)
    }),
  )
})
