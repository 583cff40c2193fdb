import { readdir, readFile, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { type AttemptKey, attemptKeyString, parseAttemptKey } from '@jobtrail/shared/domain/attempt-key'
import type { StreamTotals } from '@jobtrail/shared/log/chunk'
import type { Segment } from './segment.js'
import { readFrames, totalsAfter } from './spool-format.js'

/** A stream that a former process left, with what was captured of it. */
export interface RecoveredStream {
  key: AttemptKey
  segments: Segment[]
  totals: StreamTotals
}

/** Reads the spool folder. Torn tails are cut off; what cannot be read is moved aside and reported; neither stops the start. */
export async function recoverStreams(
  dir: string,
  setAside: (path: string) => Promise<void>,
  onFault: (error: unknown, what: string) => void,
): Promise<RecoveredStream[]> {
  const found = new Map<string, { key: AttemptKey; seqs: number[] }>()
  for (const name of await readdir(dir)) {
    const parsed = parseName(name)
    if (parsed === undefined) {
      onFault(new Error(`Not a spool file: ${name}`), 'recovery')
      await setAside(join(dir, name))
      continue
    }
    const id = attemptKeyString(parsed.key)
    const entry = found.get(id) ?? { key: parsed.key, seqs: [] }
    entry.seqs.push(parsed.seq)
    found.set(id, entry)
  }
  const streams: RecoveredStream[] = []
  for (const [id, { key, seqs }] of found) {
    const stream: RecoveredStream = { key, segments: [], totals: { chunks: 0, lines: 0, bytes: 0, digest: '' } }
    let isWhole = true
    for (const seq of seqs.toSorted((a, b) => a - b)) {
      const path = join(dir, `${id}.${seq}`)
      try {
        if (!isWhole) throw new Error(`Spool file ${path}: what came before it is broken`)
        isWhole = await recoverSegment(stream, path, seq, onFault)
      } catch (error) {
        isWhole = false
        onFault(error, 'recovery')
        await setAside(path)
      }
    }
    if (stream.segments.length > 0) streams.push(stream)
  }
  return streams
}

function parseName(name: string): { key: AttemptKey; seq: number } | undefined {
  const match = /^(.+)\.(\d{1,9})$/.exec(name)
  const key = parseAttemptKey(match?.[1] ?? '')
  return match === null || key === undefined ? undefined : { key, seq: Number(match[2]) }
}

/** Adds one file to the stream; false when its end was broken and cut off. Throws when nothing of it can be used. */
async function recoverSegment(stream: RecoveredStream, path: string, seq: number, onFault: (error: unknown, what: string) => void): Promise<boolean> {
  const bytes = await readFile(path)
  let segment: Segment | undefined
  let size = 0
  for (const { record, body, end } of readFrames(bytes)) {
    if (segment === undefined) {
      if (record.type !== 'open' || attemptKeyString(record.key) !== attemptKeyString(stream.key)) break
      if (stream.segments.length > 0 && record.from.digest !== stream.totals.digest) break
      segment = { seq, path, from: record.from, size: 0, written: 0, chunkBytes: 0, outstanding: 0 }
      stream.totals = record.from
    } else if (record.type === 'chunk') {
      if (record.header.n !== stream.totals.lines) break
      segment.chunkBytes += body.length
      stream.totals = totalsAfter(stream.totals, record.header)
    }
    size = end
  }
  if (segment === undefined) throw new Error(`Spool file ${path}: no beginning that fits`)
  if (size < bytes.length) {
    onFault(new Error(`Spool file ${path}: torn end of ${bytes.length - size} bytes cut off`), 'recovery')
    await truncate(path, size)
  }
  segment.size = size
  segment.written = size
  stream.segments.push(segment)
  return size === bytes.length
}
