import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { brotliCompressSync, brotliDecompress, brotliDecompressSync, constants, crc32 } from 'node:zlib'
import type { AttemptKey } from '../domain/attempt-key.js'
import {
  type ChunkHeader,
  COMPRESS_FROM_BYTES,
  hasNewline,
  LINE_FLAG_BITS,
  LineFlag,
  type LogLine,
  MAX_CHUNK_BYTES,
  MAX_CHUNK_LINES,
  MAX_LINE_BYTES,
} from './chunk.js'

/**
 * A chunk's body: the varints `(delta ms << 4) | flags` of its lines, one after another (delta to the line before, the first to `firstAt`, never negative),
 * then the lines' bytes, each ended by \n (also where the process wrote none: the flags say so). Lines contain no \n, so the split is unambiguous.
 * All integers are unsigned LEB128.
 */

const NEWLINE = 0x0a
/** The last moment that a Date can hold. */
export const MAX_TIME = 8.64e15
const MAX_BODY_BYTES = MAX_CHUNK_BYTES + MAX_LINE_BYTES + MAX_CHUNK_LINES * 8

/** The digest before a stream's first chunk: ties a chain to its stream. */
export function genesisDigest(key: AttemptKey): string {
  return createHash('sha256').update(`jobtrail/1 ${key.instanceId} ${key.task} ${key.attempt}`).digest('hex')
}

/** digest(k) = SHA-256(digest(k-1) ‖ "n count bytes offset firstAt\n" ‖ body uncompressed). */
export function chainDigest(previous: string, header: Pick<ChunkHeader, 'n' | 'count' | 'bytes' | 'offset' | 'firstAt'>, body: Uint8Array): string {
  return createHash('sha256')
    .update(Buffer.from(previous, 'hex'))
    .update(`${header.n} ${header.count} ${header.bytes} ${header.offset} ${header.firstAt}\n`)
    .update(body)
    .digest('hex')
}

/** Compresses a body where that pays; returns the bytes to send and their encoding and checksum. */
export function packBody(body: Buffer): { data: Buffer; encoding: ChunkHeader['encoding']; checksum: number } {
  if (body.length < COMPRESS_FROM_BYTES) return { data: body, encoding: 'plain', checksum: crc32(body) }
  const data = brotliCompressSync(body, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_LGWIN]: 18, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
  })
  return { data, encoding: 'br', checksum: crc32(data) }
}

const decompress = promisify(brotliDecompress)
/** What a line mostly takes in a body beside its text: its varint, and the newline that the process may not have written. */
const META_BYTES = 4
const LEAST_CHUNK_BYTES = 1024

/** {@link unpackBody} on another thread: in one go if the body is as long as its header says. */
export async function unpackBodyAside({ encoding, bytes, count }: Pick<ChunkHeader, 'encoding' | 'bytes' | 'count'>, data: Buffer): Promise<Buffer> {
  if (encoding === 'plain') return data
  const expected = bytes + count * META_BYTES
  return decompress(data, { maxOutputLength: MAX_BODY_BYTES, chunkSize: Math.min(Math.max(expected, LEAST_CHUNK_BYTES), MAX_BODY_BYTES) })
}

/** The inverse of {@link packBody}. Throws on bytes that do not decode or grow beyond a chunk's limit. */
export function unpackBody(encoding: ChunkHeader['encoding'], data: Buffer): Buffer {
  return encoding === 'plain' ? data : brotliDecompressSync(data, { maxOutputLength: MAX_BODY_BYTES })
}

export const isChecksumRight = (header: Pick<ChunkHeader, 'checksum' | 'size'>, data: Buffer): boolean =>
  data.length === header.size && crc32(data) === header.checksum

/** Appends an unsigned LEB128 number to `out` at `at`; returns the next free position. */
export function writeVarint(out: Buffer, at: number, value: number): number {
  while (value >= 0x80) {
    out[at++] = (value % 0x80) | 0x80
    value = Math.floor(value / 0x80)
  }
  out[at++] = value
  return at
}

/** Where the text begins and each line's varint. Throws when the body is shorter than `count` says. */
function readMeta(body: Buffer, count: number): { metas: number[]; textAt: number } {
  const metas: number[] = []
  let at = 0
  for (let i = 0; i < count; i++) {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = body[at++]
      if (byte === undefined || scale > 2 ** 49) throw new RangeError('Chunk body: broken line table')
      value += (byte & 0x7f) * scale
      if (byte < 0x80) break
      scale *= 0x80
    }
    metas.push(value)
  }
  return { metas, textAt: at }
}

/** Decodes an uncompressed body into lines. Throws RangeError when it does not hold exactly `count` lines. */
export function decodeLines(header: Pick<ChunkHeader, 'n' | 'count' | 'firstAt'>, body: Buffer): LogLine[] {
  const { metas, textAt } = readMeta(body, header.count)
  const lines: LogLine[] = []
  let from = textAt
  let at = header.firstAt
  for (let i = 0; i < header.count; i++) {
    const meta = metas[i] ?? 0
    const end = body.indexOf(NEWLINE, from)
    if (end < 0) throw new RangeError(`Chunk body: ${i} lines where ${header.count} were promised`)
    at += Math.floor(meta / (1 << LINE_FLAG_BITS))
    lines.push({ n: header.n + i, at, flags: meta % (1 << LINE_FLAG_BITS), text: body.subarray(from, end) })
    from = end + 1
  }
  if (from !== body.length) throw new RangeError('Chunk body: bytes after the last line')
  return lines
}

/**
 * Checks that an uncompressed body holds exactly what its header promises; returns the number of its first marker line, if there is one. Throws RangeError that says
 * what is wrong: what passes can be read by every reader.
 */
export function checkBody(header: Pick<ChunkHeader, 'n' | 'count' | 'bytes' | 'firstAt'>, body: Buffer): number | undefined {
  const { metas, textAt } = readMeta(body, header.count)
  let from = textAt
  let bytes = 0
  let at = header.firstAt
  let marker: number | undefined
  for (let i = 0; i < header.count; i++) {
    const meta = metas[i] ?? 0
    const flags = meta % (1 << LINE_FLAG_BITS)
    const end = body.indexOf(NEWLINE, from)
    if (end < 0) throw new RangeError(`Chunk body: ${i} lines where ${header.count} were promised`)
    bytes += end - from + (hasNewline(flags) ? 1 : 0)
    at += Math.floor(meta / (1 << LINE_FLAG_BITS))
    if ((flags & LineFlag.MARKER) !== 0) marker ??= header.n + i
    from = end + 1
  }
  if (from !== body.length) throw new RangeError('Chunk body: bytes after the last line')
  if (bytes !== header.bytes) throw new RangeError(`Chunk body: ${bytes} bytes where ${header.bytes} were promised`)
  if (at > MAX_TIME) throw new RangeError('Chunk body: a time that no date can have')
  return marker
}

/** The bytes that the process wrote, from an uncompressed body. Without flags on any line this is a view, with no copy and no work per line. */
export function rawText(header: Pick<ChunkHeader, 'n' | 'count' | 'firstAt'>, body: Buffer): Buffer {
  const { metas, textAt } = readMeta(body, header.count)
  if (metas.every((meta) => hasNewline(meta % (1 << LINE_FLAG_BITS)))) return body.subarray(textAt)
  return joinLines(decodeLines(header, body))
}

/** How many lines a body holds, found from the body alone: so many that its table and its text agree. Undefined when there is no such number. */
export function countLines(body: Buffer): number | undefined {
  let left = 0
  for (let at = body.indexOf(NEWLINE); at >= 0; at = body.indexOf(NEWLINE, at + 1)) left++
  for (let at = 0, count = 0; at < body.length && count < MAX_CHUNK_LINES; at++) {
    const byte = body[at] ?? 0
    if (byte === NEWLINE) left--
    if (byte >= 0x80) continue
    count++
    if (left === count && body.at(-1) === NEWLINE) return count
  }
  return undefined
}

/** Lines as bytes again: each with the newline that the process wrote, or none. */
export function joinLines(lines: readonly LogLine[]): Buffer {
  const parts: Buffer[] = []
  for (const line of lines) {
    parts.push(line.text)
    if (hasNewline(line.flags)) parts.push(NEWLINE_BUFFER)
  }
  return Buffer.concat(parts)
}

const NEWLINE_BUFFER = Buffer.from([NEWLINE])
