/** What a text of JSON holds, if it is an object. */
export type ParsedObject = { value: Record<string, unknown> } | { problem: 'empty' | 'notObject' } | { problem: 'syntax'; message: string }

/** What is wrong with a text, as a schema would say it. */
export function objectProblem(parsed: ParsedObject): string | undefined {
  if ('value' in parsed) return undefined
  if (parsed.problem === 'syntax') return `is not JSON: ${parsed.message}`
  return parsed.problem === 'empty' ? 'is empty, not a JSON object' : 'is not a JSON object'
}

export function parseObject(text: string): ParsedObject {
  if (text.trim() === '') return { problem: 'empty' }
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { value: value as Record<string, unknown> } : { problem: 'notObject' }
  } catch (error) {
    return { problem: 'syntax', message: error instanceof Error ? error.message : String(error) }
  }
}
