import { LineFlag, MAX_LINE_BYTES } from '@jobtrail/shared/log/chunk'
import type { Masker } from './masker.js'

const NEWLINE = 0x0a
const EMPTY = Buffer.alloc(0)
const FIRST_TAIL_BYTES = 256

/** Takes a line without its newline; the bytes are the sink's to keep. */
export type LineSink = (text: Buffer, flags: number, at: number) => void

/** Splits the bytes of one side (stdout or stderr) into lines: masked, cut at MAX_LINE_BYTES, and flagged. */
export class LineSplitter {
  private readonly flag: number
  private readonly masker: Masker | undefined
  private readonly sink: LineSink
  /** A copy of the line's bytes so far, so that no read is held for the sake of its last few bytes. */
  private tail: Buffer = EMPTY
  private tailLength = 0

  constructor(flag: number, masker: Masker | undefined, sink: LineSink) {
    this.flag = flag
    this.masker = masker
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
    const isPlain = this.masker === undefined || !this.masker.isIn(bytes)
    for (end = bytes.indexOf(NEWLINE, from); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      const line = bytes.subarray(from, end)
      if (isPlain && line.length <= MAX_LINE_BYTES) this.sink(line, this.flag, at)
      else this.take(line, true, at)
      from = end + 1
    }
    if (from < bytes.length) this.take(bytes.subarray(from), false, at)
  }

  /** No more bytes: what is left is a line without newline. */
  end(at: number): void {
    if (this.masker !== undefined) this.append(this.masker.feed(EMPTY, true), at)
    if (this.tailLength > 0) this.sink(this.takeTail(EMPTY), this.flag | LineFlag.NO_NEWLINE, at)
  }

  private take(bytes: Buffer, isLineEnd: boolean, at: number): void {
    const rest = this.cut(this.masker === undefined ? bytes : this.masker.feed(bytes, isLineEnd), at)
    if (isLineEnd) this.sink(this.takeTail(rest), this.flag, at)
    else this.keep(rest)
  }

  private append(bytes: Buffer, at: number): void {
    this.keep(this.cut(bytes, at))
  }

  /** Passes on pieces of full length while the line is too long; returns what is left of `bytes`. */
  private cut(bytes: Buffer, at: number): Buffer {
    let rest = bytes
    while (this.tailLength + rest.length > MAX_LINE_BYTES) {
      const room = MAX_LINE_BYTES - this.tailLength
      this.sink(this.takeTail(rest.subarray(0, room)), this.flag | LineFlag.CUT, at)
      rest = rest.subarray(room)
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
