import { ExactJson, stringifyExact } from '@jobtrail/api/exact-json'

/** Pretty JSON with the lines of longer texts (scripts) one below the other, so that a diff of it shows the line that changed. Members that are undefined are left out. */
export function definitionLines(value: unknown): string[] {
  return linesOf(value, '')
}

function linesOf(value: unknown, indent: string): string[] {
  if (value instanceof ExactJson)
    return stringifyExact(value, 2)
      .split('\n')
      .map((line, i) => (i === 0 ? line : indent + line))
  const inner = `${indent}  `
  if (typeof value === 'string' && value.includes('\n')) return ['"""', ...value.split('\n').map((line) => inner + line), `${indent}"""`]
  if (Array.isArray(value))
    return value.length === 0 ? ['[]'] : ['[', ...value.flatMap((item, i) => member('', item, inner, i < value.length - 1)), `${indent}]`]
  if (typeof value !== 'object' || value === null) return [JSON.stringify(value)]
  const members = Object.entries(value).filter(([, each]) => each !== undefined)
  if (members.length === 0) return ['{}']
  return ['{', ...members.flatMap(([name, each], i) => member(`${JSON.stringify(name)}: `, each, inner, i < members.length - 1)), `${indent}}`]
}

function member(label: string, value: unknown, indent: string, hasNext: boolean): string[] {
  const lines = linesOf(value, indent)
  return lines.map((line, i) => (i === 0 ? indent + label + line : line) + (i === lines.length - 1 && hasNext ? ',' : ''))
}
