import { withoutEscapes } from '@jobtrail/api/escapes'
import { LineFlag, type LogLine, MAX_LINE_BYTES } from '@jobtrail/protocol/log/chunk'
import { countLines, unpackBody } from '@jobtrail/protocol/log/codec'
import { linesOf } from '../domain/chunk-lines.js'
import type { StoredChunk } from '../log-store.js'

/** A chunk whose lines are made only when somebody asks for them: most chunks of a search are passed over by their text. */
export class ChunkLines {
  readonly from: number
  readonly end: number
  /** Undefined when it does not decode: then the lines say so. */
  private readonly body: Buffer | undefined
  private decoded: LogLine[] | undefined

  constructor(private readonly chunk: StoredChunk) {
    const { n, count } = chunk.header
    this.from = n
    this.end = n + count
    this.body = wholeBody(chunk)
  }

  /** All lines as they read, one after another. */
  get text(): string {
    const text =
      this.body === undefined
        ? this.lines.map((line) => `${line.text.toString('utf8')}\n`).join('')
        : this.body.toString('utf8', textStart(this.body, this.chunk.header.count))
    return withoutEscapes(text)
  }

  /** A line of it is so long that it goes on in another one. */
  get hasLongLine(): boolean {
    return this.body !== undefined && this.body.length > MAX_LINE_BYTES / 2 && this.lines.some(({ flags }) => (flags & LineFlag.CUT) !== 0)
  }

  get lines(): readonly LogLine[] {
    this.decoded ??= linesOf(this.chunk)
    return this.decoded
  }
}

function wholeBody({ header, data }: StoredChunk): Buffer | undefined {
  try {
    const body = unpackBody(header.encoding, data)
    return countLines(body) === header.count ? body : undefined
  } catch {
    return undefined
  }
}

/** The line table has one varint a line, each ended by a byte below 0x80. */
function textStart(body: Buffer, count: number): number {
  let at = 0
  for (let left = count; left > 0 && at < body.length; at++) if ((body[at] ?? 0) < 0x80) left--
  return at
}
