import { open, readFile, rename } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { LineFlag, type LineRange, type StreamTotals } from '@jobtrail/protocol/log/chunk'
import { type Chunk, ChunkBuilder } from '@jobtrail/protocol/log/chunk-builder'
import { chainDigest, unpackBody } from '@jobtrail/protocol/log/codec'
import { addLoss, type LogLoss } from '@jobtrail/protocol/log/losses'
import { counted } from './chunker.js'
import type { Segment } from './segment.js'
import { chunkFrame, endFrame, openFrame, readFrames, totalsAfter } from './spool-format.js'
import { type Gap, type RecoveredStream, REWRITTEN } from './spool-recovery.js'

const WORKER_DIED = '[jobtrail] the worker died here; output after this line may be missing'
const FILE_MODE = 0o600

/**
 * What is to be done with a stream that a former process left, or whose file is damaged, once the server has said what it has of it. `deliver`: send what is missing
 * and seal with `totals`, or leave it unsealed without them · `append`: this marker comes first · `rewrite`: what is behind a gap gets new numbers ({@link rewrite}).
 */
export type Repair = { kind: 'deliver'; totals: StreamTotals | undefined } | { kind: 'append'; chunk: Chunk; totals: StreamTotals } | { kind: 'rewrite' }

export function planRepair(stream: RecoveredStream, stored: readonly LineRange[]): Repair {
  const { totals, end, gaps } = stream
  const gap = gaps.find(({ from, to }) => !isCovered(stored, from, to))
  const storedTo = stored.at(-1)?.to ?? 0
  // Chunks behind the gap that are stored already have their numbers for good: what is intact is sent, and the server names the gap.
  if (gap !== undefined) return gap !== gaps[0] || storedTo > gap.from ? { kind: 'deliver', totals: undefined } : { kind: 'rewrite' }
  if (end !== undefined) return { kind: 'deliver', totals: end }
  const before = gaps[0]?.before ?? totals
  // More is stored than the disk has kept (a power loss): the server goes by what it has, from the beginning that both know.
  if (gaps.length > 0 || storedTo > totals.lines) return { kind: 'deliver', totals: withLoss(before, diedAt(before.lines)) }
  const { chunk, totals: after } = markerChunk(stream.key, totals, WORKER_DIED, stream.lastAt || Date.now())
  return { kind: 'append', chunk, totals: withLoss(after, diedAt(totals.lines)) }
}

/**
 * Writes the stream's files anew from the first gap on: a marker line takes the place of the lines that are lost, and what is behind it goes on from there, with new
 * numbers and digests around the same bodies. Nothing behind the gap may be stored yet. Returns the stream as it is then, with its end.
 */
export async function rewrite(stream: RecoveredStream): Promise<{ segments: Segment[]; totals: StreamTotals }> {
  const writer = new Rewriter(stream)
  const files: { path: string; segment: Segment }[] = []
  for (const segment of stream.segments) files.push({ path: segment.path, segment: await writer.write(segment, segment === stream.segments.at(-1)) })
  for (const { path, segment } of files) if (!stream.segments.includes(segment)) await rename(`${path}${REWRITTEN}`, path)
  return { segments: files.map(({ segment }) => segment), totals: writer.end }
}

class Rewriter {
  private totals: StreamTotals
  private losses: LogLoss[] = []
  private gaps: Gap[]
  private lastAt = 0

  constructor(private readonly stream: RecoveredStream) {
    this.totals = stream.segments[0]?.from ?? stream.totals
    this.gaps = [...stream.gaps]
  }

  get end(): StreamTotals {
    return { ...this.totals, losses: this.losses }
  }

  /** As it is where nothing before its end is lost. */
  async write(segment: Segment, isLast: boolean): Promise<Segment> {
    const { path, seq } = segment
    const from = this.totals
    const chunks: Chunk[] = []
    for (const { record, body } of readFrames(await readFile(path))) {
      if (record.type !== 'chunk') continue
      const [gap] = this.gaps
      if (gap !== undefined && record.header.n >= gap.to) chunks.push(this.mark(gap))
      chunks.push(this.renumber({ header: record.header, data: body }))
      await nextTurn()
    }
    if (!isLast && this.losses.length === 0) return segment
    if (isLast) chunks.push(...this.gaps.map((gap) => this.mark(gap)), ...this.markDeath())
    const buffers = [openFrame(this.stream.key, from), ...chunks.flatMap((chunk) => [chunkFrame(chunk), chunk.data]), ...(isLast ? [endFrame(this.end)] : [])]
    const size = await writeFile(`${path}${REWRITTEN}`, buffers)
    return { seq, path, from, size, written: size, chunkBytes: chunks.reduce((sum, { data }) => sum + data.length, 0), outstanding: 0 }
  }

  private renumber({ header, data }: Chunk): Chunk {
    this.lastAt = header.lastAt
    const { lines: n, bytes: offset, digest: previous } = this.totals
    if (this.losses.length === 0) {
      this.totals = totalsAfter(this.totals, header)
      return { header, data }
    }
    const numbered = { ...header, n, offset }
    const digest = chainDigest(previous, numbered, unpackBody(header.encoding, data))
    const chunk = { header: { ...numbered, digest }, data }
    this.totals = totalsAfter(this.totals, chunk.header)
    return chunk
  }

  private mark(gap: Gap): Chunk {
    this.gaps = this.gaps.filter((other) => other !== gap)
    const lines = gap.to - gap.from
    const { chunk, totals } = markerChunk(
      this.stream.key,
      this.totals,
      `[jobtrail] the worker's spool was damaged: ${counted(lines, gap.bytes)} are lost here`,
      this.lastAt,
    )
    this.losses = addLoss(this.losses, { reason: 'damaged', at: this.totals.lines, lines, bytes: gap.bytes })
    this.totals = totals
    return chunk
  }

  private markDeath(): Chunk[] {
    if (this.stream.end !== undefined) {
      this.losses = (this.stream.end.losses ?? []).reduce<LogLoss[]>(addLoss, this.losses)
      return []
    }
    const { chunk, totals } = markerChunk(this.stream.key, this.totals, WORKER_DIED, this.lastAt)
    this.losses = addLoss(this.losses, diedAt(this.totals.lines))
    this.totals = totals
    return [chunk]
  }
}

/** A chunk of one marker line behind `totals`. */
function markerChunk(key: AttemptKey, totals: StreamTotals, text: string, lastAt: number): { chunk: Chunk; totals: StreamTotals } {
  const builder = new ChunkBuilder(key, totals)
  builder.add(Buffer.from(text), LineFlag.MARKER, lastAt)
  const chunk = builder.close()
  if (chunk === undefined) throw new Error('A chunk without the line that was added')
  return { chunk, totals: builder.closedTotals }
}

/** On disk before it takes the place of the damaged one. */
async function writeFile(path: string, buffers: Buffer[]): Promise<number> {
  const handle = await open(path, 'w', FILE_MODE)
  try {
    for (const buffer of buffers) await handle.writeFile(buffer)
    await handle.sync()
  } finally {
    await handle.close()
  }
  return buffers.reduce((sum, { length }) => sum + length, 0)
}

const diedAt = (line: number): LogLoss => ({ reason: 'worker-died', at: line, lines: null, bytes: null })
const withLoss = (totals: StreamTotals, loss: LogLoss): StreamTotals => ({ ...totals, losses: addLoss(totals.losses ?? [], loss) })
const isCovered = (stored: readonly LineRange[], from: number, to: number): boolean => stored.some((range) => range.from <= from && to <= range.to)
