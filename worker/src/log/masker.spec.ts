import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Masker, TextMasker } from './masker.js'
import { SecretPatterns } from './secret-patterns.js'

const textMasker = (...secrets: string[]): TextMasker => new TextMasker(SecretPatterns.of(secrets))
const mask = (text: string, ...secrets: string[]): string => textMasker(...secrets).text(text)

/** Feeds the text in pieces of these lengths. */
function feed(text: string, lengths: readonly number[], secrets: readonly string[]): string {
  const patterns = SecretPatterns.of(secrets)
  if (patterns === undefined) return text
  const masker = new Masker(patterns)
  const bytes = Buffer.from(text)
  const out: Buffer[] = []
  let at = 0
  for (const length of lengths) {
    out.push(masker.feed(bytes.subarray(at, at + length)))
    at += length
  }
  return Buffer.concat([...out, masker.feed(bytes.subarray(at)), masker.end()]).toString()
}

describe('a secret is masked', () => {
  const secret = 'p@ss wörd/+"\\<&>\'🙂'

  it('in base64, wherever it lies in what was encoded, in both alphabets', () => {
    for (const before of ['', 'a', 'ab', 'abc', 'user:']) {
      const bytes = Buffer.from(`${before}${secret}, and more`)
      for (const encoding of ['base64', 'base64url'] as const) {
        const masked = mask(bytes.toString(encoding), secret)
        expect(masked).toContain('***')
        // At most the bits at its ends are left, in characters that hold other bytes too.
        expect(Buffer.from(masked, encoding).toString()).not.toContain('ss')
      }
    }
  })

  it('in base64 that is broken into lines', () => {
    const long = Array.from({ length: 40 }, (_, i) => `part-${i}`).join('/')
    for (const columns of [64, 76]) {
      const lines =
        Buffer.from(`${long}\n`)
          .toString('base64')
          .match(new RegExp(`.{1,${columns}}`, 'g')) ?? []
      const masked = lines.map((line) => mask(line, long))
      expect(masked.length).toBeGreaterThan(3)
      for (const line of masked.slice(0, -1)) expect(line).toBe('***')
    }
  })

  it('in hex of either case', () => {
    const hex = Buffer.from(`user:${secret}, and more`).toString('hex')
    const ends = [Buffer.from('user:').toString('hex'), Buffer.from(', and more').toString('hex')]
    expect(mask(hex, secret)).toBe(ends.join('***'))
    expect(mask(hex.toUpperCase(), secret)).toBe(ends.join('***').toUpperCase())
  })

  it('URL-encoded by the usual encoders', () => {
    const forms = [
      encodeURIComponent(secret),
      new URLSearchParams({ q: secret }).toString().slice(2),
      encodeURIComponent(secret).replace(/%../g, (hex) => hex.toLowerCase()),
    ]
    for (const form of forms) expect(mask(`https://host/?q=${form}&x=1`, secret)).toBe('https://host/?q=***&x=1')
    expect(mask('https://host/a%20b/secret%2Fpath', 'secret/path')).toBe('https://host/a%20b/***')
  })

  it('escaped by the usual writers of JSON, and as Node shows it', () => {
    const ascii = JSON.stringify(secret).replace(/[^\0-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
    for (const form of [JSON.stringify(secret), ascii]) expect(mask(form, secret)).toBe('"***"')
    expect(mask(inspect('with\0nul'), 'with\0nul')).toBe("'***'")
  })

  it('line by line when it has several, indented or not, and as a whole where a line is too short to be masked alone', () => {
    expect(mask('  first line\r\nsecond line', 'first line\n  second line\n')).toBe('  ***\r\n***')
    expect(mask('x ab\ncd\nefghij y', 'ab\ncd\nefghij')).toBe('x ***\n***\n*** y')
    expect(mask('ab\r\n  cd\r\nefghij', 'ab\n  cd\nefghij')).toBe('***\n***\n***')
    expect(mask('ab cd', 'ab\ncd\nefghij')).toBe('ab cd')
    expect(mask(JSON.stringify({ key: 'ab\ncd\nef' }), 'ab\ncd\nef')).toBe('{"key":"***"}')
  })

  it('of bytes that overlap with another one as one', () => {
    expect(mask('-abcdef-', 'abcd', 'cdef')).toBe('-***-')
  })
})

it('blanks mask nothing', () => {
  expect(SecretPatterns.of(['    ', ' \n \t \n', 'a b c', '   x  '])).toBeUndefined()
  expect(mask('a    b', 'real secret', '      ')).toBe('a    b')
})

it('a secret of 8 KiB without any repetition costs a small table', () => {
  const secret = Array.from({ length: 1_600 }, (_, i) => String(10_000 + i)).join('')
  expect(mask(`x${secret}y`, secret)).toBe('x***y')
})

it('however bytes are read, the same is masked, and lines stay lines', () => {
  const parts = fc.array(fc.constantFrom('a', 'b', 'ab', 'aab', '\n', 'secret', 'x\n'), { maxLength: 60 }).map((all) => all.join(''))
  const secrets = fc.subarray(['aaba', 'abab', 'secret', 'baabaa', 'a\nb\nab', 'b\nsecret'])
  fc.assert(
    fc.property(parts, fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 30 }), secrets, (text, lengths, given) => {
      const whole = feed(text, [], given)
      expect(feed(text, lengths, given)).toBe(whole)
      expect(whole.split('\n').length).toBe(text.split('\n').length)
      for (const secret of given) expect(whole).not.toContain(secret)
      expect(
        whole
          .replaceAll('***', '')
          .split('')
          .every((char) => text.includes(char)),
      ).toBe(true)
    }),
    { numRuns: 150 },
  )
})

describe('JSON', () => {
  it('stays JSON, and what holds no secret keeps its bytes', () => {
    const json = '{"a":1.0e400,"big":12345678901234567890,"tok\\u0065n-1234":["x token-1234 y",12345678,{"__proto__":-0}],"\\ud800":" "}'
    const masked = textMasker('token-1234', '12345678').json(json)
    expect(masked).toBe('{"a":1.0e400,"big":"***","***":["x *** y","***",{"__proto__":-0}],"\\ud800":" "}')
    expect(() => JSON.parse(masked) as unknown).not.toThrow()
  })
})
