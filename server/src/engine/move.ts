import type { Move } from '@jobtrail/protocol/domain/statuses'

/** What an update that makes this move asks of the present status. */
export const from = <S extends string>(move: Move<S>): { status: S | { $in: readonly S[] } } => {
  const [only, ...more] = move.from
  return { status: only !== undefined && more.length === 0 ? only : { $in: move.from } }
}

/** The status that such an update sets. */
export function to<S extends string>(move: Move<S>, status: S): { status: S } {
  if (!move.to.includes(status)) throw new RangeError(`No such move leads to ${status}, only to ${move.to.join(', ')}`)
  return { status }
}
