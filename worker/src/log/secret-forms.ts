import { inspect } from 'node:util'
import { base64Written, endsOf, hexWritten, unbroken, windowsOf } from './secret-pieces.js'

/** What has fewer bytes that are not blank is not masked alone: it would hit innocent text. */
const MIN_SECRET_BYTES = 4

/** So many bytes of a job's secrets are also masked where base64 or hex is broken into lines, each of them costs three to four forms. Short secrets come first. */
const MAX_BROKEN_BYTES = 64 * 1024

/** What encoders of URLs leave as it is. */
const URL_CLASSES = [
  /[A-Za-z0-9\-._~]/, // RFC 3986: Python, Go, Ruby, curl
  /[A-Za-z0-9\-._~/]/, // Python's quote
  /[A-Za-z0-9\-._~!'()*]/, // encodeURIComponent
  /[A-Za-z0-9\-._~!'()*;,/?:@&=+$#]/, // encodeURI
  /[A-Za-z0-9\-._*]/, // forms: browsers and Node (URLSearchParams), Java
  /[A-Za-z0-9\-._]/, // forms: PHP
  /[A-Za-z0-9\-._~$&+=:@]/, // a part of a path: Go
  /[!$-&(-;=?-~]/, // the query of a URL: browsers and Node (new URL)
  /[!$-;=@-\]_a-z|~]/, // its path
] as const

/**
 * Every form in which a secret is masked: as it is, as base64 (at any place in what was encoded) and hex, both also broken into lines, URL-encoded and JSON-escaped; a secret
 * of several lines both as a whole and line by line. Blanks around a line do not count. One encoding at a time: each further round would multiply the forms.
 */
export function secretForms(values: readonly string[]): string[] {
  const forms = new Set<string>()
  const add = (form: string): void => {
    if (nonBlankBytes(form) >= MIN_SECRET_BYTES) forms.add(form)
  }
  let brokenBytes = 0
  for (const value of values.toSorted((a, b) => a.length - b.length)) {
    const whole = value.trim()
    const raw = whole.split(/\r\n|[\r\n\0]/)
    const lines = raw.map((line) => line.trim())
    brokenBytes += Buffer.byteLength(whole)
    const isBroken = brokenBytes <= MAX_BROKEN_BYTES
    for (const line of new Set(lines)) {
      for (const form of formsOf(line)) add(form)
      if (isBroken) for (const form of brokenForms(line, lines.length === 1)) add(form)
    }
    if (lines.length === 1) continue
    for (const form of formsOf(whole)) if (!form.includes('\n')) add(form)
    if (isBroken) for (const form of brokenForms(whole, true)) add(form)
    // Across lines only where needed: a line that may begin such a match is held back until the next one is there.
    if (lines.every((line) => line === '' || nonBlankBytes(line) >= MIN_SECRET_BYTES)) continue
    for (const newline of ['\n', '\r\n']) for (const form of [raw.join(newline), lines.join(newline)]) add(form)
  }
  return [...forms]
}

/** A text and what common tools make of it. */
function formsOf(text: string): string[] {
  if (nonBlankBytes(text) < MIN_SECRET_BYTES) return []
  const bytes = Buffer.from(text)
  return [text, ...[...base64Written(bytes), ...hexWritten(bytes)].map(unbroken), ...urlForms(bytes), ...escapedForms(text)]
}

/** What is left of it in a line when it is encoded and broken into lines. The ends are those of a secret as a whole, not of each of its lines: those are inside. */
function brokenForms(text: string, hasEnds: boolean): string[] {
  if (nonBlankBytes(text) < MIN_SECRET_BYTES) return []
  const bytes = Buffer.from(text)
  return [...base64Written(bytes), ...hexWritten(bytes)].flatMap((written) => [...windowsOf(written), ...(hasEnds ? endsOf(written) : [])])
}

/** Encoders differ in what they leave as it is, in the case of the digits and in how they write a blank. */
function urlForms(bytes: Buffer): string[] {
  return URL_CLASSES.flatMap((plain) => {
    const upper = Array.from(bytes.toString('latin1'), (char) =>
      plain.test(char) ? char : `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    ).join('')
    return [upper, upper.replace(/%../g, (digits) => digits.toLowerCase())].flatMap((form) => [form, form.replaceAll('%20', '+')])
  })
}

/** As JSON writers put it (plain, ASCII only, slashes or HTML's characters escaped), and as Node shows it in an error. */
function escapedForms(text: string): string[] {
  const json = JSON.stringify(text).slice(1, -1)
  const escape = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  // Code unit by code unit: a character beyond the first plane is written as two.
  const ascii = json.replace(/[^\0-\x7e]/g, escape)
  return [
    json,
    ascii,
    json.replaceAll('/', '\\/'),
    json.replace(/[<>&]/g, escape),
    inspect(text, { breakLength: Infinity, maxStringLength: null }).slice(1, -1),
  ]
}

const nonBlankBytes = (text: string): number => Buffer.byteLength(text.replace(/\s/g, ''))
