import { crc32 } from 'node:zlib'
import { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { ChunkHeader, StreamTotals } from '@jobtrail/protocol/log/chunk'
import type { Chunk } from '@jobtrail/protocol/log/chunk-builder'
import { isChecksumRight } from '@jobtrail/protocol/log/codec'
import { z } from 'zod'

/**
 * A spool file is a run of frames: length of the record, length of the body, CRC-32 of the record (3 × uint32, little endian), the record as JSON, the body.
 * A file begins with an `open` record; a body follows `chunk` only and is checked by the header's own checksum. Every record begins with RECORD_START, which is how
 * the next frame is found behind a damaged one.
 */
const SpoolRecord = z.discriminatedUnion('type', [
  /** `from`: the stream's sums before this file. */
  z.object({ type: z.literal('open'), version: z.literal(1), key: AttemptKey, from: StreamTotals }),
  z.object({ type: z.literal('chunk'), header: ChunkHeader }),
  z.object({ type: z.literal('end'), totals: StreamTotals }),
])
export type SpoolRecord = z.infer<typeof SpoolRecord>
export type Frame = { record: SpoolRecord; body: Buffer; /** Where it begins and ends in the bytes given. */ start: number; end: number }

const PREFIX_BYTES = 12
const RECORD_START = '{"type":"'
const MAX_RECORD_BYTES = 8_192
/** A read of this size holds at least one whole frame. */
export const MAX_FRAME_BYTES = 1024 * 1024

const encodeFrame = (record: SpoolRecord, bodyBytes: number): Buffer => {
  const json = Buffer.from(JSON.stringify(record))
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + json.length)
  frame.writeUInt32LE(json.length, 0)
  frame.writeUInt32LE(bodyBytes, 4)
  frame.writeUInt32LE(crc32(json), 8)
  json.copy(frame, PREFIX_BYTES)
  return frame
}

export const openFrame = (key: AttemptKey, from: StreamTotals): Buffer => encodeFrame({ type: 'open', version: 1, key, from }, 0)
export const endFrame = (totals: StreamTotals): Buffer => encodeFrame({ type: 'end', totals }, 0)
/** The frame up to its body, which is the chunk's data. */
export const chunkFrame = (chunk: Chunk): Buffer => encodeFrame({ type: 'chunk', header: chunk.header }, chunk.data.length)

/**
 * The whole and sound frames of `bytes`, which begin at a frame's place. Bodies are views. Bytes that are no sound frame are passed over; `isPart`: more may follow,
 * so reading stops at what is not whole and sound behind a frame.
 */
export function* readFrames(bytes: Buffer, { isPart = false } = {}): Generator<Frame, void> {
  let hasFrame = false
  for (let start = 0; start + PREFIX_BYTES <= bytes.length;) {
    const found = frameAt(bytes, start)
    if (typeof found !== 'number') {
      yield found
      hasFrame = true
      start = found.end
    } else if (isPart && hasFrame) return
    else start = found
  }
}

/** The sound frame at `start`, or where the next one may begin. */
function frameAt(bytes: Buffer, start: number): Frame | number {
  const recordBytes = bytes.readUInt32LE(start)
  const bodyAt = start + PREFIX_BYTES + recordBytes
  const json = recordBytes > MAX_RECORD_BYTES ? undefined : bytes.subarray(start + PREFIX_BYTES, bodyAt)
  const record = json !== undefined && crc32(json) === bytes.readUInt32LE(start + 8) ? parseRecord(json) : undefined
  if (record === undefined) return nextStart(bytes, start + 1)
  // The record is sound, so what it says of its body is; the prefix may not be.
  const end = bodyAt + (record.type === 'chunk' ? record.header.size : 0)
  if (end > bytes.length) return bytes.length
  const body = bytes.subarray(bodyAt, end)
  return record.type === 'chunk' && !isChecksumRight(record.header, body) ? end : { record, body, start, end }
}

function nextStart(bytes: Buffer, from: number): number {
  const at = bytes.indexOf(RECORD_START, from + PREFIX_BYTES, 'latin1')
  return at < 0 ? bytes.length : at - PREFIX_BYTES
}

function parseRecord(json: Buffer): SpoolRecord | undefined {
  try {
    return SpoolRecord.safeParse(JSON.parse(json.toString())).data
  } catch {
    // Not JSON: a broken frame, like any other; whoever reads on from it says so.
    return undefined
  }
}

/** Sums after a chunk. */
export const totalsAfter = (totals: StreamTotals, header: ChunkHeader): StreamTotals => ({
  chunks: totals.chunks + 1,
  lines: header.n + header.count,
  bytes: header.offset + header.bytes,
  digest: header.digest,
})
