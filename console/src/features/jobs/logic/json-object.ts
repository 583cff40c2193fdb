import { exactValue, parseExact, type UserObject } from '@jobtrail/api/exact-json'

/** What a text of JSON holds, if it is an object. */
export type ParsedObject = { value: UserObject } | { problem: 'empty' | 'notObject' } | { problem: 'syntax'; message: string }

/** What is wrong with a text, as a schema would say it. */
export function objectProblem(parsed: ParsedObject): string | undefined {
  if ('value' in parsed) return undefined
  if (parsed.problem === 'syntax') return `is not JSON: ${parsed.message}`
  return parsed.problem === 'empty' ? 'is empty, not a JSON object' : 'is not a JSON object'
}

export function parseObject(text: string): ParsedObject {
  return parsedBy(exactValue, text)
}

/** The same of a whole definition, in which only the params are kept exactly. */
export function parseDefinition(text: string): { value: Record<string, unknown> } | Exclude<ParsedObject, { value: UserObject }> {
  const parsed = parsedBy((json) => parseExact(json, [['params']]), text)
  return 'value' in parsed ? { value: parsed.value as Record<string, unknown> } : parsed
}

function parsedBy(parse: (json: string) => unknown, text: string): ParsedObject {
  if (text.trim() === '') return { problem: 'empty' }
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return { problem: 'notObject' }
    return { value: parse(text) as UserObject }
  } catch (error) {
    return { problem: 'syntax', message: error instanceof Error ? error.message : String(error) }
  }
}
