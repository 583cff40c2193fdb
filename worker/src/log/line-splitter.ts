import { LineFlag, MAX_LINE_BYTES } from '@jobtrail/protocol/log/chunk'

const NEWLINE = 0x0a
const EMPTY = Buffer.alloc(0)
const FIRST_TAIL_BYTES = 256

/** Takes a line without its newline; the bytes are the sink's to keep. */
export type LineSink = (text: Buffer, flags: number, at: number) => void

/** Splits the bytes of one side (stdout or stderr) into lines, flagged; a line above MAX_LINE_BYTES is cut, never inside a UTF-8 character. */
export class LineSplitter {
  private readonly flag: number
  private readonly sink: LineSink
  /** A copy of the line's bytes so far, so that no read is held for the sake of its last few bytes. */
  private tail: Buffer = EMPTY
  private tailLength = 0

  constructor(flag: number, sink: LineSink) {
    this.flag = flag
    this.sink = sink
  }

  /** Lines that lie whole in `bytes` are passed on as views of it. */
  push(bytes: Buffer, at: number): void {
    let end = bytes.indexOf(NEWLINE)
    if (end < 0) {
      if (bytes.length > 0) this.take(bytes, false, at)
      return
    }
    this.take(bytes.subarray(0, end), true, at)
    let from = end + 1
    for (end = bytes.indexOf(NEWLINE, from); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      const line = bytes.subarray(from, end)
      if (line.length <= MAX_LINE_BYTES) this.sink(line, this.flag, at)
      else this.take(line, true, at)
      from = end + 1
    }
    if (from < bytes.length) this.take(bytes.subarray(from), false, at)
  }

  /** No more bytes: what is left is a line without newline. */
  end(at: number): void {
    if (this.tailLength > 0) this.sink(this.takeTail(EMPTY), this.flag | LineFlag.NO_NEWLINE, at)
  }

  private take(bytes: Buffer, isLineEnd: boolean, at: number): void {
    const rest = this.cut(bytes, at)
    if (isLineEnd) this.sink(this.takeTail(rest), this.flag, at)
    else this.keep(rest)
  }

  /** Passes on pieces of full length while the line is too long; returns what is left of `bytes`. */
  private cut(bytes: Buffer, at: number): Buffer {
    let rest = bytes
    while (this.tailLength + rest.length > MAX_LINE_BYTES) {
      const room = MAX_LINE_BYTES - this.tailLength
      const piece = this.takeTail(rest.subarray(0, room))
      rest = rest.subarray(room)
      const end = characterBoundary(piece, rest[0] ?? 0)
      this.sink(piece.subarray(0, end), this.flag | LineFlag.CUT, at)
      this.keep(piece.subarray(end))
    }
    return rest
  }

  /** The tail with `rest` behind it, as one buffer; the tail is empty then. */
  private takeTail(rest: Buffer): Buffer {
    if (this.tailLength === 0) return rest
    this.keep(rest)
    const line = this.tail.subarray(0, this.tailLength)
    this.tail = EMPTY
    this.tailLength = 0
    return line
  }

  private keep(bytes: Buffer): void {
    if (bytes.length === 0) return
    const length = this.tailLength + bytes.length
    if (length > this.tail.length) {
      const grown = Buffer.allocUnsafe(Math.max(FIRST_TAIL_BYTES, length, Math.min(MAX_LINE_BYTES, this.tail.length * 2)))
      this.tail.copy(grown, 0, 0, this.tailLength)
      this.tail = grown
    }
    bytes.copy(this.tail, this.tailLength)
    this.tailLength = length
  }
}

/** The end of `piece`, or of what comes before the character that goes on with `next`. Bytes that are no UTF-8 are cut anywhere. */
function characterBoundary(piece: Buffer, next: number): number {
  if (!isContinuation(next)) return piece.length
  for (let back = 1; back <= 3; back++) {
    const byte = piece[piece.length - back] ?? 0
    if (isContinuation(byte)) continue
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return length > back ? piece.length - back : piece.length
  }
  return piece.length
}

const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80
