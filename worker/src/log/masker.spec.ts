import { createHash } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Masker, TextMasker } from './masker.js'
import { secretForms } from './secret-forms.js'
import { SecretPatterns } from './secret-patterns.js'

const textMasker = (...secrets: string[]): TextMasker => new TextMasker(SecretPatterns.of(secrets))
const hexDigits = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
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

  describe('in base64 and hex that are broken into lines', () => {
    const random = Array.from({ length: 8 }, (_, i) => createHash('sha512').update(String(i)).digest('base64')).join('')
    const wrap = (text: string, columns: number, newline: string): string => text.match(new RegExp(`.{1,${columns}}`, 'g'))?.join(newline) ?? ''

    it.each<[BufferEncoding, number, string]>([
      ['base64', 64, '\n'],
      ['base64', 76, '\n'],
      ['base64', 76, '\r\n'],
      ['base64', 40, '\n'],
      ['base64url', 76, '\n'],
      ['hex', 60, '\n'],
    ])('%s at column %i, wherever it lies in what was encoded: all but what is told in docs/protocol.md', (encoding, columns, newline) => {
      for (const length of [8, 11, 20, 64, 400]) {
        const masker = textMasker(random.slice(0, length))
        for (let before = 0; before < 80; before++) {
          const bytes = Buffer.from(`${'user of it: '.repeat(7).slice(0, before)}${random.slice(0, length)}, and more`)
          const text = bytes.toString(encoding)
          const perByte = encoding === 'hex' ? 2 : 4 / 3
          const hidden = Math.floor((before + length) * perByte) - Math.ceil(before * perByte)
          const shown = masker.text(wrap(text, columns, newline)).replaceAll(/\*\*\*|\s/g, '')
          // Fewer than 4 characters at the end of a line may be left; all else that is left is not of the secret.
          expect(shown.length - (text.length - hidden), `${length} bytes behind ${before}`).toBeLessThan(4)
          expect(shown.length).toBeGreaterThanOrEqual(text.length - hidden)
        }
      }
    })

    it('so do those of several lines', () => {
      const pem = `-----BEGIN PRIVATE KEY-----\n${wrap(random, 64, '\n')}\n-----END PRIVATE KEY-----\n`
      for (const before of ['', 'x', 'ab']) {
        const file = wrap(Buffer.from(`${before}key: ${pem}other: text`).toString('base64'), 76, '\n')
        const masked = mask(file, pem)
        expect(masked).toMatch(/^[^*]{5,12}\*\*\*\n(\*\*\*\n)+(\*\*\*)?[^*]{16,24}$/)
        expect(mask(file.replaceAll('\n', '\n  '), pem).split('\n').slice(1, -2)).toEqual(Array(masked.split('\n').length - 3).fill('  ***'))
      }
    })

    it('but no short piece that may be something else', () => {
      const known = random.slice(0, 30)
      const text = Buffer.from(known).toString('base64')
      for (const innocent of [text.slice(0, 4), text.slice(-4), text.slice(12, 24), `${text.slice(0, 4)}\n${text.slice(8, 12)}`])
        expect(mask(innocent, known)).toBe(innocent)
    })

    it('for a bounded number of forms, however many and long the secrets are; short ones come first', () => {
      expect(secretForms([random.slice(0, 64)]).length).toBeLessThan(400)
      const long = Array.from({ length: 30 }, (_, i) => random.slice(i).padEnd(8_192, `${i}-${random}`))
      const forms = new Set(secretForms([...long, 'a-short-one-of-32-characters-xyz']))
      expect(forms.size).toBeLessThan(64 * 1024 * 5)
      expect(forms).toContain(Buffer.from('a-short-one-of-32-characters-xyz').toString('base64').slice(8, 24))
    })
  })

  it('in hex of either case', () => {
    const hex = Buffer.from(`user:${secret}, and more`).toString('hex')
    const ends = [Buffer.from('user:').toString('hex'), Buffer.from(', and more').toString('hex')]
    expect(mask(hex, secret)).toBe(ends.join('***'))
    expect(mask(hex.toUpperCase(), secret)).toBe(ends.join('***').toUpperCase())
  })

  it('URL-encoded by the usual encoders', () => {
    for (const value of [secret, 'a*b!c~d/e f', "it's (a) [b] {c}|^;,$@=:?#\\`", 'naïve%20"<>"']) {
      const percent = (plain: RegExp): string => value.replace(/[\s\S]/gu, (char) => (plain.test(char) ? char : [...Buffer.from(char)].map(hexDigits).join('')))
      const forms = [
        encodeURIComponent(value),
        encodeURI(value),
        new URLSearchParams({ q: value }).toString().slice(2),
        percent(/[\w.*-]/).replaceAll('%20', '+'), // Java
        percent(/[\w.-]/).replaceAll('%20', '+'), // PHP
        percent(/[\w.~/-]/), // Python
        percent(/[\w.~$&+=:@-]/), // Go, in a path
        percent(/[!$-&(-;=?-~]/), // new URL, in a query
        encodeURIComponent(value).replace(/%../g, (hex) => hex.toLowerCase()),
      ]
      for (const form of forms) expect(mask(`https://host/?q=${form}&x=1`, value)).toBe('https://host/?q=***&x=1')
    }
    expect(mask('https://host/a%20b/secret%2Fpath', 'secret/path')).toBe('https://host/a%20b/***')
    expect(mask(`q=${String(new URLSearchParams({ q: 'a*b!c' }))}`, 'a*b!c')).toBe('q=q=***')
    expect(mask(new URL('https://host/?q=a b"\'{}|^`c').href, 'a b"\'{}|^`c')).toBe('https://host/?q=***')
    expect(mask(new URL('https://host/a b"\'{}|`c').href, 'a b"\'{}|`c')).toBe('https://host/***')
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

it('what is made of the secrets of a job is made once for runs that follow one another', () => {
  const made = SecretPatterns.of(['of-a-job-1234'])
  expect(SecretPatterns.of(['of-a-job-1234'])).toBe(made)
  for (let i = 0; i < 8; i++) SecretPatterns.of([`of-another-${i}`])
  expect(SecretPatterns.of(['of-a-job-1234'])).not.toBe(made)
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
