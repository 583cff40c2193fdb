import type { z } from 'zod'
import { AppError } from '@jobtrail/protocol/domain/errors'

/** Text of a cursor: where the next page of a list begins. `value` is JSON (times as ISO strings). Callers of the API treat it as opaque. */
export function encodeCursor(value: unknown): string {
  return Buffer.from(JSON.stringify(value), 'utf8').toString('base64url')
}

/** The value of a cursor that {@link encodeCursor} made, checked by its schema; throws AppError BAD_CURSOR for anything else. */
export function decodeCursor<T>(schema: z.ZodType<T>, text: string): T {
  const parsed = schema.safeParse(parseJson(Buffer.from(text, 'base64url').toString('utf8')))
  if (!parsed.success) throw new AppError('BAD_CURSOR', 'This cursor is not one of this list: take `next` of the page before, or leave it out')
  return parsed.data
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not JSON: no schema accepts undefined, so it is refused like any other wrong value.
    return undefined
  }
}

/**
 * A page from the rows that a query with `limit + 1` gave: the row too many only tells that there is more.
 * `cursorOf` says where to go on after a row.
 */
export function toPage<Row, View>(
  rows: readonly Row[],
  limit: number,
  view: (row: Row) => View,
  cursorOf: (last: Row) => unknown,
): { items: View[]; next: string | null } {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items: items.map(view), next: rows.length > limit && last !== undefined ? encodeCursor(cursorOf(last)) : null }
}
