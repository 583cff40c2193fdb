/**
 * JSON that users give: params and results. It is kept as text, because numbers beyond 2^53, keys such as `__proto__` and the order of keys do not survive
 * being parsed into JavaScript values, nor all values being stored as BSON. Only white space between tokens is dropped.
 */
export const MAX_USER_JSON_BYTES = 64 * 1024
/** Deeper than people nest, and shallow enough for every recursive reader (BSON takes 200 levels, the stack of a parser some thousand). */
export const MAX_USER_JSON_DEPTH = 100

/** The compact text of a JSON value, or what is wrong with it, to be read after the name of the field. */
export type ReadJson = { text: string } | { problem: string }

export function readUserJson(json: string): ReadJson {
  const bytes = utf8Length(json)
  if (bytes > MAX_USER_JSON_BYTES) return { problem: tooLarge(bytes) }
  try {
    JSON.parse(json)
  } catch (error) {
    return { problem: `is not JSON: ${error instanceof Error ? error.message : String(error)}` }
  }
  const { text, depth } = compactJson(json)
  return depth > MAX_USER_JSON_DEPTH ? { problem: `is nested ${count(depth)} levels deep, the limit is ${MAX_USER_JSON_DEPTH}` } : { text }
}

/** The same of a JavaScript value. `undefined` and functions have no JSON. */
export function readUserValue(value: unknown): ReadJson {
  let json: string | undefined
  try {
    json = JSON.stringify(value)
  } catch (error) {
    // The stack of the writer ends far above what is taken.
    if (error instanceof RangeError) return { problem: `is nested too deep, the limit is ${MAX_USER_JSON_DEPTH} levels` }
    return { problem: `cannot be written as JSON: ${error instanceof Error ? error.message : String(error)}` }
  }
  return json === undefined ? { problem: 'cannot be written as JSON' } : readUserJson(json)
}

export const tooLarge = (bytes: number): string => `has ${count(bytes)} bytes, the limit is ${count(MAX_USER_JSON_BYTES)}`

const count = (value: number): string => value.toLocaleString('en')

/**
 * How a JSON text is stored and sent: as a value where that gives the same text again, which is nearly always, and as text beside an empty value where it does not.
 * Readers of the former version know the value only.
 */
export type HeldJson<T> = { value: T; text?: string }

/** Keys that objects, BSON or MongoDB take for something else, and characters that UTF-8 or a BSON key cannot hold. */
const NOT_HELD_BY_VALUES = /"(?:__proto__|constructor|prototype|_bsontype|\$)|\\u(?:0000|d[89a-f])|\p{Surrogate}/iu

/** `empty`: the value beside a text. */
export function holdJson<T>(text: string, empty: T): HeldJson<T> {
  if (NOT_HELD_BY_VALUES.test(text)) return { value: empty, text }
  const value: unknown = JSON.parse(text)
  return JSON.stringify(value) === text ? { value: value as T } : { value: empty, text }
}

/** Without the white space between its tokens. The JSON has to be valid. */
export function compactJson(json: string): { text: string; depth: number } {
  let text = ''
  let from = 0
  let open = 0
  let depth = 0
  for (let at = 0; at < json.length; at++) {
    switch (json.charAt(at)) {
      case '"':
        at = endOfString(json, at) - 1
        break
      case '{':
      case '[':
        depth = Math.max(depth, ++open)
        break
      case '}':
      case ']':
        open--
        break
      case ' ':
      case '\t':
      case '\n':
      case '\r':
        text += json.slice(from, at)
        from = at + 1
        break
      default:
    }
  }
  return { text: from === 0 ? json : text + json.slice(from), depth }
}

/** The JSON of each member of an object, by its name; of a name that comes twice, the last. Empty for anything else. The JSON has to be valid. */
export function membersOf(json: string): Map<string, string> {
  const members = new Map<string, string>()
  let at = skipSpace(json, 0)
  if (json[at] !== '{') return members
  at = skipSpace(json, at + 1)
  while (json[at] === '"') {
    const endOfName = endOfString(json, at)
    const name = JSON.parse(json.slice(at, endOfName)) as string
    const from = skipSpace(json, skipSpace(json, endOfName) + 1)
    const to = endOfValue(json, from)
    members.set(name, json.slice(from, to))
    at = skipSpace(json, to)
    if (json[at] === ',') at = skipSpace(json, at + 1)
  }
  return members
}

/** The JSON of each item of a list; empty for anything else. The JSON has to be valid. */
export function itemsOf(json: string): string[] {
  const items: string[] = []
  let at = skipSpace(json, 0)
  if (json[at] !== '[') return items
  at = skipSpace(json, at + 1)
  while (at < json.length && json[at] !== ']') {
    const to = endOfValue(json, at)
    items.push(json.slice(at, to))
    at = skipSpace(json, to)
    if (json[at] === ',') at = skipSpace(json, at + 1)
  }
  return items
}

const isSpace = (character: string | undefined): boolean => character === ' ' || character === '\n' || character === '\r' || character === '\t'

function skipSpace(json: string, from: number): number {
  let at = from
  while (isSpace(json[at])) at++
  return at
}

/** Behind the closing quote of the string that begins at `from`. */
function endOfString(json: string, from: number): number {
  for (let at = from + 1; at < json.length; at++) {
    if (json[at] === '\\') at++
    else if (json[at] === '"') return at + 1
  }
  return json.length
}

function endOfValue(json: string, from: number): number {
  let open = 0
  for (let at = from; at < json.length; at++) {
    const character = json[at]
    if (character === '"') at = endOfString(json, at) - 1
    else if (character === '{' || character === '[') open++
    else if (character === '}' || character === ']') {
      if (open === 0) return at
      open--
    } else if (open === 0 && (character === ',' || isSpace(character))) return at
    else continue
    if (open === 0) return at + 1
  }
  return json.length
}

function utf8Length(text: string): number {
  // Most texts are short: no need to encode them to know that they fit.
  return text.length * 3 <= MAX_USER_JSON_BYTES ? text.length : new TextEncoder().encode(text).length
}
