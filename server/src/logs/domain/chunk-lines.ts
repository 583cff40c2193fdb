import { LineFlag, type LogLine, MAX_CHUNK_BYTES, MAX_LINE_BYTES } from '@jobtrail/protocol/log/chunk'
import { countLines, decodeLines, rawText, unpackBody } from '@jobtrail/protocol/log/codec'
import type { StoredChunk } from '../log-store.js'

/**
 * The lines of a chunk, for every reader. Damage (chunks of servers that did not check them, or bytes that changed in the database) is no reason to show nothing: what
 * does not decode is replaced by marker lines that say so, one for each number. `verify` tells of it too.
 */
export function linesOf(chunk: StoredChunk): LogLine[] {
  let body: Buffer | undefined
  try {
    body = unpackBody(chunk.header.encoding, chunk.data)
    return decodeLines(chunk.header, body)
  } catch (error) {
    return salvage(chunk, body, error)
  }
}

/** The bytes of a chunk as the process wrote them: as many as it should have, since their number was announced; where that is wrong, marked. */
export function writtenBytes(chunk: StoredChunk, size = chunk.header.bytes): Buffer {
  const { header } = chunk
  let text: Buffer
  try {
    text = rawText(header, unpackBody(header.encoding, chunk.data))
  } catch {
    text = Buffer.concat(linesOf(chunk).flatMap(({ text: line }) => [line, NEWLINE]))
  }
  return text.length === size ? text : fitted(text, size, `[jobtrail] the stored lines ${numbers(chunk)} are damaged`)
}

/** The same for all chunks of a log of `total` bytes: where the next one begins is where one ends, whatever its own number of bytes has become. */
export async function* writtenLog(chunks: AsyncIterable<StoredChunk>, total: number): AsyncGenerator<Buffer> {
  let former: StoredChunk | undefined
  for await (const chunk of chunks) {
    if (former !== undefined) yield writtenBytes(former, sizeUpTo(former, chunk.header.offset))
    former = chunk
  }
  if (former !== undefined) yield writtenBytes(former, sizeUpTo(former, total))
}

function sizeUpTo({ header: { offset, bytes } }: StoredChunk, end: number): number {
  const size = end - offset
  return size >= 0 && size <= MAX_CHUNK_BYTES + MAX_LINE_BYTES ? size : bytes
}

const NEWLINE = Buffer.from('\n')
const numbers = ({ header: { n, count } }: StoredChunk): string => `${n + 1} to ${n + count}`

/** A body with another number of lines than its header says still shows them; without its line table nothing can be told apart. */
function decodable({ header }: StoredChunk, body: Buffer | undefined): LogLine[] {
  const count = body === undefined ? undefined : countLines(body)
  if (body === undefined || count === undefined) return []
  try {
    return decodeLines({ ...header, count }, body)
  } catch {
    return []
  }
}

function salvage(chunk: StoredChunk, body: Buffer | undefined, error: unknown): LogLine[] {
  const { header } = chunk
  const found = decodable(chunk, body)
  const lines = found.slice(0, header.count)
  const firstLost = lines.length
  const why = error instanceof Error ? error.message : String(error)
  for (let i = firstLost; i < header.count; i++) {
    const text = i === firstLost ? `[jobtrail] the stored lines ${header.n + i + 1} to ${header.n + header.count} are damaged: ${why}` : '[jobtrail] damaged'
    lines.push({ n: header.n + i, at: header.firstAt, flags: LineFlag.MARKER, text: Buffer.from(text) })
  }
  const last = lines.at(-1)
  const beyond = found.length - header.count
  if (last !== undefined && beyond > 0)
    last.text = Buffer.concat([last.text, Buffer.from(` [jobtrail] damaged: ${beyond} more lines are stored here than the chunk should have`)])
  return lines
}

/** Exactly `size` bytes, with a note at the end for what was cut off or filled up. */
function fitted(text: Buffer, size: number, note: string): Buffer {
  const end = Buffer.from(`\n${note}\n`)
  const kept = text.subarray(0, Math.max(0, size - end.length))
  const filling = Buffer.alloc(Math.max(0, size - kept.length - end.length), ' ')
  return Buffer.concat([kept, filling, end]).subarray(0, size)
}
