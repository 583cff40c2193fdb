/** Bytes [from, to) of a body. */
export type ByteRange = { from: number; to: number }

/**
 * What of `total` bytes a `Range` header asks for: 'whole' without one, or in a unit other than bytes (which has to be passed over);
 * 'unsatisfiable' when it begins after the end, is nonsense, or names several ranges: who asks for parts and does not look at the status must not take the whole for one.
 */
export function parseRange(header: string | undefined, total: number): ByteRange | 'whole' | 'unsatisfiable' {
  if (header === undefined || !/^bytes\s*=/i.test(header)) return 'whole'
  const match = /^bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header)
  if (match === null) return 'unsatisfiable'
  const [, first = '', last = ''] = match
  if (first === '') {
    if (last === '') return 'unsatisfiable'
    const length = Math.min(total, Number(last))
    return length === 0 ? 'unsatisfiable' : { from: total - length, to: total }
  }
  const from = Number(first)
  if (last !== '' && Number(last) < from) return 'unsatisfiable'
  if (from >= total) return 'unsatisfiable'
  return { from, to: last === '' ? total : Math.min(total, Number(last) + 1) }
}
