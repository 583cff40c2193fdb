import { z } from 'zod'
import { AttemptKey } from '../domain/attempt-key.js'
import { boundLosses, LogLoss } from './losses.js'

/** Limits at which a chunk is closed, whichever comes first, and of a single line. Docs: docs/protocol.md. */
export const MAX_CHUNK_LINES = 1_000
export const MAX_CHUNK_BYTES = 256 * 1024
export const MAX_LINE_BYTES = 64 * 1024
export const CHUNK_MAX_AGE_MS = 100
/** The same while a worker has no other chunk open: a follower of the only log is close behind. Each further open chunk adds as much, up to the maximum. */
export const CHUNK_MIN_AGE_MS = 20
/** The first line after a quiet time leaves this soon, so a slow log is live and a fast one is batched. */
export const CHUNK_FIRST_LINE_MS = 5
/** A body from this size up is compressed. */
export const COMPRESS_FROM_BYTES = 8 * 1024

/** Bits kept with each line. */
export const LineFlag = {
  /** Read from stderr; otherwise from stdout. */
  STDERR: 1,
  /** The line went on: it was longer than MAX_LINE_BYTES and its rest is a line of its own. Has no newline. */
  CUT: 2,
  /** The stream ended without a newline after this line. */
  NO_NEWLINE: 4,
  /** Not written by the process: says what a limit left out. */
  MARKER: 8,
} as const
/** Flags take this many low bits of a line's varint; the time delta is above them. */
export const LINE_FLAG_BITS = 4

/**
 * What travels and is stored beside a chunk's body.
 * `n` first line number, `count` lines, `bytes` raw bytes of the lines with their newlines, `offset` raw bytes of the stream before this chunk,
 * `size` bytes of the body as sent, `firstAt`/`lastAt` ms since epoch, `checksum` CRC-32 of the body as sent, `digest` SHA-256 chain (hex).
 */
export const ChunkHeader = AttemptKey.extend({
  n: z.int().min(0),
  count: z.int().min(1).max(MAX_CHUNK_LINES),
  bytes: z
    .int()
    .min(0)
    .max(MAX_CHUNK_BYTES + MAX_LINE_BYTES),
  offset: z.int().min(0),
  size: z
    .int()
    .min(1)
    .max(2 * (MAX_CHUNK_BYTES + MAX_LINE_BYTES)),
  encoding: z.enum(['plain', 'br']),
  firstAt: z.int().min(0),
  lastAt: z.int().min(0),
  checksum: z.int().min(0).max(0xffffffff),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
})
export type ChunkHeader = z.infer<typeof ChunkHeader>

/**
 * A stream's sums at its end; `digest` is that of its last chunk, or the stream's genesis digest when it has none. `losses`: what is known to be missing from what
 * the process wrote; an empty list says that nothing is, and without a list (version 1) the worker does not know.
 */
export const StreamTotals = z.object({
  chunks: z.int().min(0),
  lines: z.int().min(0),
  bytes: z.int().min(0),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  losses: z.array(LogLoss).transform(boundLosses).optional(),
})
export type StreamTotals = z.infer<typeof StreamTotals>

/** A run of lines [from, to): to is exclusive. */
export const LineRange = z.object({ from: z.int().min(0), to: z.int().min(0) })
export type LineRange = z.infer<typeof LineRange>

/** One line as read back. `text` has no newline; `at` is ms since epoch. */
export type LogLine = { n: number; at: number; flags: number; text: Buffer }

export const hasNewline = (flags: number): boolean => (flags & (LineFlag.CUT | LineFlag.NO_NEWLINE)) === 0
