/** Selected lines, both included, numbered from 0 as the API does. */
export type LineSelection = { from: number; to: number }

/** `#L120-L140`: lines count from 1 there, as people count. */
export function parseHash(hash: string): LineSelection | undefined {
  const match = /^#L(\d{1,12})(?:-L?(\d{1,12}))?$/.exec(hash)
  if (match === null) return undefined
  const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])]
  return first < 1 || last < 1 ? undefined : { from: Math.min(first, last) - 1, to: Math.max(first, last) - 1 }
}

export const hashOf = (selection: LineSelection | undefined): string =>
  selection === undefined ? '' : selection.from === selection.to ? `#L${selection.from + 1}` : `#L${selection.from + 1}-L${selection.to + 1}`

/** A click on a line number: alone it selects the line (or none, if it was that one), with shift it reaches from the first selected line. */
export function clickLine(before: LineSelection | undefined, line: number, isExtending: boolean): LineSelection | undefined {
  if (before === undefined || !isExtending) return before?.from === line && before.to === line ? undefined : { from: line, to: line }
  return line < before.from ? { from: line, to: before.to } : { from: before.from, to: line }
}
