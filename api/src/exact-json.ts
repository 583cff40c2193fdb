import { compactJson, holdJson, itemsOf, MAX_USER_JSON_DEPTH, membersOf, readUserJson, readUserValue } from '@jobtrail/protocol/json/json-text'

/** Texts that are to stand in the JSON that {@link stringifyExact} is writing; undefined: some other JSON is made. */
let texts: string[] | undefined
/** No user can guess it, so no text of theirs is taken for a place. */
const MARK = `exact-json-${[...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')}-`
const PLACES = new RegExp(`"${MARK}(\\d+)"`, 'g')
/** With indents each has a line of its own. */
const INDENTED_PLACES = new RegExp(`^( *)(.*)"${MARK}(\\d+)"`, 'gm')

/**
 * JSON that a JavaScript value would not give back as it was: big numbers, odd keys, their order. What a value gives back is a plain value, so nearly nothing is one of
 * these. (From Node 22 on `JSON.rawJSON` does half of it.)
 */
export class ExactJson {
  /** Compact. */
  constructor(readonly text: string) {}

  toJSON(): unknown {
    return texts === undefined ? JSON.parse(this.text) : `${MARK}${texts.push(this.text) - 1}`
  }
}

/** An object that users give, such as params. */
export type UserObject = Record<string, unknown> | ExactJson

/** The value of a valid JSON text: plain, or an {@link ExactJson}. */
export function exactValue(json: string): unknown {
  const { text, depth } = compactJson(json)
  // What is deeper is refused wherever it may come from; here it must not overflow a stack.
  if (depth > MAX_USER_JSON_DEPTH) return new ExactJson(text)
  const held = holdJson<unknown>(text, undefined)
  return held.text === undefined ? held.value : new ExactJson(held.text)
}

/** The compact JSON of a value, or what is wrong with it. */
export const readExact = (value: unknown): ReturnType<typeof readUserJson> => (value instanceof ExactJson ? readUserJson(value.text) : readUserValue(value))

/** As `JSON.stringify`, with the text of each {@link ExactJson} as it is. */
export function stringifyExact(value: unknown, indent = 0): string {
  const found: string[] = []
  const outer = texts
  texts = found
  try {
    const json = JSON.stringify(value, null, indent)
    if (found.length === 0) return json
    if (indent === 0) return json.replace(PLACES, (_, index: string) => found[Number(index)] ?? 'null')
    return json.replace(INDENTED_PLACES, (_, spaces: string, before: string, index: string) => {
      const lines = prettyJson(found[Number(index)] ?? 'null', indent)
      return `${spaces}${before}${lines.join(`\n${spaces}`)}`
    })
  } finally {
    texts = outer
  }
}

/** The members of an object as they may be given to {@link exactValue}. */
export function memberTexts(object: UserObject): Map<string, string> {
  if (object instanceof ExactJson) return membersOf(object.text)
  return new Map(Object.entries(object).map(([name, value]) => [name, JSON.stringify(value) ?? 'null']))
}

/** The members of both, those of `over` where both have one. */
export function mergeObjects(under: UserObject, over: UserObject): UserObject {
  if (!(under instanceof ExactJson) && !(over instanceof ExactJson)) return { ...under, ...over }
  const members = [...new Map([...memberTexts(under), ...memberTexts(over)])]
  return exactValue(`{${members.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`) as UserObject
}

/** Valid compact JSON over several lines, as `JSON.stringify` indents it. */
function prettyJson(text: string, indent: number): string[] {
  const isObject = text.startsWith('{')
  const parts = isObject
    ? [...membersOf(text)].map(([name, value]) => [`${JSON.stringify(name)}: `, value] as const)
    : itemsOf(text).map((item) => ['', item] as const)
  if (parts.length === 0) return [text]
  const inner = parts.flatMap(([label, value], i) => {
    const lines = prettyJson(value, indent)
    return lines.map((line, k) => `${' '.repeat(indent)}${k === 0 ? label : ''}${line}${k === lines.length - 1 && i < parts.length - 1 ? ',' : ''}`)
  })
  return [isObject ? '{' : '[', ...inner, isObject ? '}' : ']']
}

/** Names of members whose JSON belongs to users, by the path to them; `*` is any item of a list. */
export type UserMembers = readonly (readonly string[])[]

/** As `JSON.parse`, with what is at `paths` exact. Throws SyntaxError. */
export function parseExact(json: string, paths: UserMembers): unknown {
  const value: unknown = JSON.parse(json)
  for (const path of paths) placeExact(value, json, path)
  return value
}

function placeExact(container: unknown, json: string, [step, ...rest]: readonly string[]): void {
  if (step === undefined || typeof container !== 'object' || container === null) return
  if (step === '*') {
    if (Array.isArray(container)) itemsOf(json).forEach((item, i) => placeExact(container[i], item, rest))
    return
  }
  if (!Object.hasOwn(container, step)) return
  const text = membersOf(json).get(step)
  if (text === undefined) return
  const members = container as Record<string, unknown>
  if (rest.length === 0) members[step] = exactValue(text)
  else placeExact(members[step], text, rest)
}
