const ENOUGH_BYTES = 64 * 1024

/** Joins small parts, so that a log of many one-line chunks is not sent in as many pieces. */
export async function* coalesce(parts: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = []
  let bytes = 0
  for await (const part of parts) {
    if (part.length === 0) continue
    waiting.push(part)
    bytes += part.length
    if (bytes < ENOUGH_BYTES) continue
    yield waiting.length === 1 ? part : Buffer.concat(waiting)
    waiting = []
    bytes = 0
  }
  if (bytes > 0) yield Buffer.concat(waiting)
}
