import type { LogLine } from '@jobtrail/protocol/log/chunk'
import type { ChunkLines } from './chunk-lines.js'

type Waiting = { n: number; add: (line: LogLine) => void; left: number }

/** Lines around matches while chunks go by in order, each offered once by {@link pass}. Holds as many chunks as the context reaches back. */
export class ContextLines {
  private recent: ChunkLines[] = []
  private waiting: Waiting[] = []

  constructor(private readonly size: number) {}

  /** Do matches still wait for lines after them? */
  get isWaiting(): boolean {
    return this.waiting.length > 0
  }

  /** The first line that waits for lines after it. */
  get firstWaiting(): number | undefined {
    return this.waiting[0]?.n
  }

  /** Completes former matches from a chunk, before it is searched. */
  enter(chunk: ChunkLines): void {
    for (const waiting of this.waiting) fill(waiting, chunk.lines, 0)
    this.waiting = this.waiting.filter(({ left }) => left > 0)
  }

  /** Once a chunk is searched. */
  pass(chunk: ChunkLines): void {
    if (this.size === 0) return
    this.recent.push(chunk)
    while (this.recent.length > 1 && chunk.end - (this.recent[1]?.from ?? 0) >= this.size) this.recent.shift()
  }

  /** The lines before line `n`, which is in `chunk`. */
  before(chunk: ChunkLines, n: number): LogLine[] {
    const first = n - this.size
    return [...this.recent, chunk].flatMap((each) => (each.end <= first ? [] : each.lines.slice(Math.max(0, first - each.from), Math.max(0, n - each.from))))
  }

  /** Calls `add` for each line after line `n` and its other pieces, as they come. */
  after(chunk: ChunkLines, n: number, pieces: number, add: (line: LogLine) => void): void {
    const waiting = { n, add, left: this.size }
    fill(waiting, chunk.lines, Math.max(0, n + pieces - chunk.from))
    if (waiting.left > 0) this.waiting.push(waiting)
  }
}

function fill(waiting: Waiting, lines: readonly LogLine[], from: number): void {
  for (let i = from; i < lines.length && waiting.left > 0; i++) {
    const line = lines[i]
    if (line !== undefined) waiting.add(line)
    waiting.left--
  }
}
