import { expect, test } from 'vitest'
import { withoutEscapes } from './escapes.js'

const ESC = '\u001b'

test('whole sequences vanish with their payload', () => {
  expect(withoutEscapes(`${ESC}]0;title\u0007a${ESC}]8;;http://x${ESC}\\b${ESC}Pq#0${ESC}\\c${ESC}[38;5;1md${ESC}(Be`)).toBe('abcde')
})

test('a sequence without an end hides none of the text after it', () => {
  expect(withoutEscapes(`${ESC}]0;secret error`)).toBe('0;secret error')
  expect(withoutEscapes(`${ESC}]broken ${ESC}[31merror`)).toBe('broken error')
  for (const introducer of ['P', 'X', '^', '_']) expect(withoutEscapes(`${ESC}${introducer}error`)).toBe('error')
  expect(withoutEscapes(`a${ESC}[`)).toBe('a')
  expect(withoutEscapes(`${ESC}[12;\u00e9rror`)).toBe('12;\u00e9rror')
  expect(withoutEscapes(`a${ESC}`)).toBe(`a${ESC}`)
})

test('no sequence reaches past its line', () => {
  expect(withoutEscapes(`a${ESC}]0;title\nerror\u0007\nb${ESC}Px\ny${ESC}\\z\nc${ESC}[31\nmore`)).toBe('a0;title\nerror\u0007\nbx\nyz\nc31\nmore')
})

test('the time taken is linear in hostile text', () => {
  const started = performance.now()
  for (const part of [`${ESC}]`, `${ESC}P`, `${ESC}[0`, `${ESC}     `]) withoutEscapes(part.repeat(100_000))
  withoutEscapes(`${ESC}[${'0'.repeat(500_000)}`)
  expect(performance.now() - started).toBeLessThan(5_000)
})
