import { LineFlag, type LogLine } from '@jobtrail/protocol/log/chunk'

/** A line as the process wrote it: `n` is the number of its first piece, `pieces` how many it was stored in. Flagged as cut where it goes on in another one. */
export type WholeLine = LogLine & { pieces: number }

/** A line of more pieces (of 64 KiB) is given in parts of so many. */
export const MAX_PIECES = 16
/** So many lines of the other side wait for a line that is not whole. */
const MAX_WAITING = 1_000
/** And so many bytes, with the line itself. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024

type Entry = { parts: LogLine[]; isWhole: boolean }

/** Puts the pieces of long lines together, as lines go by in order. Lines of the other side that came in between follow. Holds a line and what waits for it. */
export class LineJoiner {
  /** In the order of their first pieces; what is behind the first one waits for it. */
  private waiting: Entry[] = []
  private readonly open = new Map<number, Entry>()
  private end = 0
  private waitingBytes = 0

  /** A line is not whole yet. */
  get isOpen(): boolean {
    return this.open.size > 0
  }

  /** The first line that was not given yet. */
  get next(): number {
    return this.waiting[0]?.parts[0]?.n ?? this.end
  }

  /** Does this line go on with one that is not whole? */
  continues(line: LogLine): boolean {
    return this.open.has(sideOf(line))
  }

  /** The lines that are whole with this one, in order. */
  add(line: LogLine): WholeLine[] {
    const side = sideOf(line)
    const isCut = (line.flags & LineFlag.CUT) !== 0
    this.end = line.n + 1
    const former = this.open.get(side)
    if (former === undefined && !isCut && this.waiting.length === 0) return [{ ...line, pieces: 1 }]
    const entry = former ?? { parts: [], isWhole: false }
    if (former === undefined) this.waiting.push(entry)
    entry.parts.push(line)
    this.waitingBytes += line.text.length
    entry.isWhole = !isCut || entry.parts.length >= MAX_PIECES
    if (entry.isWhole) this.open.delete(side)
    else this.open.set(side, entry)
    return this.given(this.waiting.length > MAX_WAITING || this.waitingBytes > MAX_WAITING_BYTES)
  }

  /** What is left at the end of what can be read, whole or not. */
  rest(): WholeLine[] {
    this.open.clear()
    return this.given(true)
  }

  private given(isAll: boolean): WholeLine[] {
    const until = isAll ? this.waiting.length : this.waiting.findIndex(({ isWhole }) => !isWhole)
    const entries = this.waiting.splice(0, until < 0 ? this.waiting.length : until)
    if (isAll) this.open.clear()
    const lines = entries.flatMap(({ parts }) => joined(parts))
    for (const { text } of lines) this.waitingBytes -= text.length
    return lines
  }
}

/** All lines of a list, whole as far as they are in it. */
export function wholeLines(lines: readonly LogLine[]): WholeLine[] {
  const joiner = new LineJoiner()
  return [...lines.flatMap((line) => joiner.add(line)), ...joiner.rest()]
}

function joined(parts: readonly LogLine[]): WholeLine[] {
  const first = parts[0]
  const last = parts.at(-1)
  if (first === undefined || last === undefined) return []
  return [{ ...first, flags: last.flags, text: parts.length === 1 ? first.text : Buffer.concat(parts.map(({ text }) => text)), pieces: parts.length }]
}

/** Which lines go on in one another. Markers go on in no other line. */
export const sideOf = ({ flags }: Pick<LogLine, 'flags'>): number => flags & (LineFlag.STDERR | LineFlag.MARKER)
