export type JsonPart = { before: string; value: object }

/** JSON at the end of a line, behind a prefix such as a time or a level; undefined where there is none. */
export function jsonOf(text: string): JsonPart | undefined {
  const line = text.trimEnd()
  if (!line.endsWith('}') && !line.endsWith(']')) return undefined
  const close = line.at(-1)
  // A prefix may have brackets of its own, such as [INFO]: a few places are tried.
  let tries = 0
  for (let at = line.search(/[{[]/); at >= 0 && tries < 4; tries++) {
    if ((line[at] === '{') === (close === '}')) {
      const value = parsed(line.slice(at))
      if (value !== undefined) return { before: line.slice(0, at), value }
    }
    const next = line.slice(at + 1).search(/[{[]/)
    at = next < 0 ? -1 : at + 1 + next
  }
  return undefined
}

function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    // "[1]" or "{}" are no gain.
    return Object.keys(value).length > 1 || JSON.stringify(value).length > 40 ? value : undefined
  } catch {
    return undefined
  }
}
