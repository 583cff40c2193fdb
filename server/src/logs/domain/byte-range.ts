/** Bytes [from, to) of a body. */
export type ByteRange = { from: number; to: number }

/**
 * What of `total` bytes a `Range` header asks for: 'whole' without one, or with one that a server may pass over (several ranges, another unit, nonsense);
 * 'unsatisfiable' when it begins after the end.
 */
export function parseRange(header: string | undefined, total: number): ByteRange | 'whole' | 'unsatisfiable' {
  const match = /^bytes=\s*(\d*)\s*-\s*(\d*)\s*$/.exec(header ?? '')
  if (match === null) return 'whole'
  const [, first = '', last = ''] = match
  if (first === '') {
    if (last === '') return 'whole'
    const length = Math.min(total, Number(last))
    return length === 0 ? 'unsatisfiable' : { from: total - length, to: total }
  }
  const from = Number(first)
  if (last !== '' && Number(last) < from) return 'whole'
  if (from >= total) return 'unsatisfiable'
  return { from, to: last === '' ? total : Math.min(total, Number(last) + 1) }
}
