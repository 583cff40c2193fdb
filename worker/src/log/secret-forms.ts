import { inspect } from 'node:util'

/** What has fewer bytes that are not blank is not masked alone: it would hit innocent text. */
const MIN_SECRET_BYTES = 4

/** Tools that write base64 in lines break them at these columns. */
const BASE64_COLUMNS = [64, 76] as const

/**
 * Every form in which a secret is masked: as it is, as base64 (at any place in what was encoded), hex, URL-encoded and JSON-escaped; a secret of several lines both as a
 * whole and line by line. Blanks around a line do not count. One encoding at a time: each further round would multiply the forms.
 */
export function secretForms(values: readonly string[]): Buffer[] {
  const forms = new Set<string>()
  const add = (form: string): void => {
    if (nonBlankBytes(form) >= MIN_SECRET_BYTES) forms.add(form)
  }
  for (const value of values) {
    const whole = value.trim()
    const raw = whole.split(/\r\n|[\r\n\0]/)
    const lines = raw.map((line) => line.trim())
    for (const line of new Set(lines)) for (const form of formsOf(line)) add(form)
    if (lines.length === 1) continue
    for (const form of formsOf(whole)) if (!form.includes('\n')) add(form)
    // Across lines only where needed: a line that may begin such a match is held back until the next one is there.
    if (lines.every((line) => line === '' || nonBlankBytes(line) >= MIN_SECRET_BYTES)) continue
    for (const newline of ['\n', '\r\n']) for (const form of [raw.join(newline), lines.join(newline)]) add(form)
  }
  return [...forms].map((form) => Buffer.from(form))
}

/** A text and what common tools make of it. */
function formsOf(text: string): string[] {
  return nonBlankBytes(text) < MIN_SECRET_BYTES
    ? []
    : [text, ...base64Forms(Buffer.from(text)), ...hexForms(Buffer.from(text)), ...urlForms(Buffer.from(text)), ...escapedForms(text)]
}

/** The characters that depend on the secret alone, for each of the three ways in which it may lie in the encoded bytes; both alphabets. */
function base64Forms(bytes: Buffer): string[] {
  const forms = [0, 1, 2].map((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
    return encoded.slice(Math.ceil((offset * 4) / 3), Math.floor(((offset + bytes.length) * 4) / 3))
  })
  const [alone = ''] = forms
  for (const columns of BASE64_COLUMNS) for (let at = 0; alone.length > columns && at < alone.length; at += columns) forms.push(alone.slice(at, at + columns))
  return forms.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')])
}

function hexForms(bytes: Buffer): string[] {
  const lower = bytes.toString('hex')
  return [lower, lower.toUpperCase()]
}

/** Encoders differ in what they leave as it is, in the case of the digits and in how they write a blank. */
function urlForms(bytes: Buffer): string[] {
  return [/[A-Za-z0-9\-._~]/, /[A-Za-z0-9\-._~/]/, /[A-Za-z0-9\-._~!'()*]/].flatMap((plain) => {
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
