import { readdir, readFile, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { type AttemptKey, attemptKeyString, parseAttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import type { StreamTotals } from '@jobtrail/protocol/log/chunk'
import { genesisDigest } from '@jobtrail/protocol/log/codec'
import { systemCode } from '../errors.js'
import type { Segment } from './segment.js'
import { readFrames, totalsAfter } from './spool-format.js'

/** Lines that were captured and cannot be read back. */
export interface Gap {
  readonly from: number
  readonly to: number
  readonly bytes: number
  /** Sums of the stream before it. */
  readonly before: StreamTotals
}
/** A stream that a former process left, with what was captured of it. */
export interface RecoveredStream {
  readonly key: AttemptKey
  segments: Segment[]
  /** Sums at its end, as numbered by the former process; behind a gap `chunks` is not known. */
  totals: StreamTotals
  /** What its end record says; undefined when the former process died before it. */
  end: StreamTotals | undefined
  gaps: Gap[]
  /** Time of its last line. */
  lastAt: number
}

/** What is being rewritten; a crash may leave it behind. */
export const REWRITTEN = '.new'

/** Reads the spool folder. Torn tails are cut off; what cannot be read is moved aside and reported; neither stops the start. */
export async function recoverStreams(
  dir: string,
  setAside: (path: string) => Promise<void>,
  onFault: (error: unknown, what: string) => void,
): Promise<RecoveredStream[]> {
  const found = new Map<string, { key: AttemptKey; paths: [seq: number, path: string][] }>()
  for (const name of await readdir(dir)) {
    const path = join(dir, name)
    const parsed = parseName(name)
    if (name.endsWith(REWRITTEN)) await rm(path, { force: true })
    else if (parsed === undefined) {
      onFault(new Error(`Not a spool file: ${name}`), 'recovery')
      await setAside(path)
    } else {
      const id = attemptKeyString(parsed.key)
      const entry = found.get(id) ?? { key: parsed.key, paths: [] }
      entry.paths.push([parsed.seq, path])
      found.set(id, entry)
    }
  }
  const streams: RecoveredStream[] = []
  for (const { key, paths } of found.values()) {
    const stream = await recoverStream(key, paths, setAside, onFault)
    if (stream.segments.length > 0) streams.push(stream)
  }
  return streams
}

/** A stream of which nothing was written down. */
export function emptyStream(key: AttemptKey): RecoveredStream {
  const totals = { chunks: 0, lines: 0, bytes: 0, digest: genesisDigest(key) }
  return { key, segments: [], totals, end: undefined, gaps: [], lastAt: 0 }
}

/** Reads the files of one stream. */
export async function recoverStream(
  key: AttemptKey,
  paths: readonly [seq: number, path: string][],
  setAside: (path: string) => Promise<void>,
  onFault: (error: unknown, what: string) => void,
): Promise<RecoveredStream> {
  const stream = emptyStream(key)
  for (const [seq, path] of paths.toSorted(([a], [b]) => a - b)) {
    try {
      await recoverSegment(stream, path, seq, onFault)
    } catch (error) {
      onFault(error, 'recovery')
      await setAside(path)
    }
  }
  return stream
}

function parseName(name: string): { key: AttemptKey; seq: number } | undefined {
  const match = /^(.+)\.(\d{1,9})$/.exec(name)
  const key = parseAttemptKey(match?.[1] ?? '')
  return match === null || key === undefined ? undefined : { key, seq: Number(match[2]) }
}

/** Adds one file to the stream. Throws when nothing of it can be used. */
async function recoverSegment(stream: RecoveredStream, path: string, seq: number, onFault: (error: unknown, what: string) => void): Promise<void> {
  const bytes = await readFile(path)
  const segment: Segment = { seq, path, from: stream.totals, size: 0, written: 0, chunkBytes: 0, outstanding: 0 }
  const isFirst = stream.segments.length === 0
  let isOurs = false
  for (const { record, body, start, end } of readFrames(bytes)) {
    if (record.type === 'open') {
      if (start > 0 || attemptKeyString(record.key) !== attemptKeyString(stream.key)) continue
      if (isFirst) stream.totals = record.from
      else passOver(stream, record.from)
      segment.from = stream.totals
    } else if (record.type === 'chunk') {
      const { header } = record
      // Without its beginning a first file tells nothing of what was before it, unless that is nothing.
      if (attemptKeyString(header) !== attemptKeyString(stream.key) || (!isOurs && isFirst && seq > 0) || header.n < stream.totals.lines) continue
      passOver(stream, { ...stream.totals, lines: header.n, bytes: header.offset })
      segment.chunkBytes += body.length
      stream.totals = totalsAfter(stream.totals, header)
      stream.lastAt = header.lastAt
    } else {
      passOver(stream, record.totals)
      stream.end = record.totals
    }
    isOurs = true
    if (start > segment.size) onFault(new Error(`Spool file ${path}: bytes ${segment.size} to ${start} are damaged`), 'recovery')
    segment.size = end
  }
  if (!isOurs) throw new Error(`Spool file ${path}: nothing in it can be used`)
  if (segment.size < bytes.length) {
    onFault(new Error(`Spool file ${path}: torn end of ${bytes.length - segment.size} bytes cut off`), 'recovery')
    await cutOff(path, segment.size)
  }
  segment.written = segment.size
  stream.segments.push(segment)
}

/** The stream goes on at `next`: what is between is a gap. */
function passOver(stream: RecoveredStream, next: StreamTotals): void {
  if (next.lines > stream.totals.lines) {
    stream.gaps.push({ from: stream.totals.lines, to: next.lines, bytes: next.bytes - stream.totals.bytes, before: stream.totals })
    stream.totals = next
  }
}

/** On a disk that refuses, the end is left where it is: what is appended overwrites it. */
async function cutOff(path: string, size: number): Promise<void> {
  try {
    await truncate(path, size)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
  }
}
