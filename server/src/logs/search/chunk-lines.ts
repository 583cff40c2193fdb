import { withoutEscapes } from '@jobtrail/shared/log/escapes'
import type { LogLine } from '@jobtrail/shared/log/chunk'
import { decodeLines, unpackBody } from '@jobtrail/shared/log/codec'
import type { StoredChunk } from '../log-store.js'

/** A chunk whose lines are made only when somebody asks for them: most chunks of a search are passed over by their text. */
export class ChunkLines {
  readonly from: number
  readonly end: number
  private readonly body: Buffer
  private decoded: LogLine[] | undefined

  constructor(private readonly chunk: StoredChunk) {
    const { n, count, encoding } = chunk.header
    this.from = n
    this.end = n + count
    this.body = unpackBody(encoding, chunk.data)
  }

  /** All lines as they read, one after another. */
  get text(): string {
    return withoutEscapes(this.body.toString('utf8', textStart(this.body, this.chunk.header.count)))
  }

  get lines(): readonly LogLine[] {
    this.decoded ??= decodeLines(this.chunk.header, this.body)
    return this.decoded
  }
}

/** The line table has one varint a line, each ended by a byte below 0x80. */
function textStart(body: Buffer, count: number): number {
  let at = 0
  for (let left = count; left > 0 && at < body.length; at++) if ((body[at] ?? 0) < 0x80) left--
  return at
}
