import { BSON, type FindCursor } from 'mongodb'

/** What one page holds at most, whatever its `limit`: documents may have a MiB each. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024
/** A reply of MongoDB is decoded in one go. */
const ROWS_AT_ONCE = 20

/** `isCut`: there are more rows within the limit, but they would be too many bytes. The last row then only tells that there is more. */
export type PageRows<Row> = { rows: Row[]; isCut: boolean }

/** Up to `limit` rows; at least two, so that each page has one. */
export async function readPage<Row extends object>(cursor: FindCursor<Row>, limit: number): Promise<PageRows<Row>> {
  const rows: Row[] = []
  let bytes = 0
  for await (const row of cursor.limit(limit).batchSize(ROWS_AT_ONCE)) {
    rows.push(row)
    bytes += BSON.calculateObjectSize(row)
    if (bytes > MAX_PAGE_BYTES && rows.length > 1) return { rows, isCut: rows.length < limit }
  }
  return { rows, isCut: false }
}
