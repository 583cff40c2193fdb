import { secretForms } from './secret-forms.js'

const NEWLINE = 0x0a
const BLOCK_BYTES = 3
const BLOCKS = 0x10000
const MAX_WINDOW = 255
/** Making them takes a millisecond for a short secret, tens of them for a key of some KiB. */
const MAX_KEPT = 8
const MAX_KEPT_LENGTH = 16_384

/**
 * Finds any of many patterns in one pass (Wu-Manber): a table says for each block of three bytes how far the next possible match is away at least, so most bytes are
 * never looked at. Shared by the streams of an attempt. Patterns are numbers, since a long secret has thousands of them: shorter ones first.
 */
export class SecretPatterns {
  private readonly window: number
  private readonly longest: number
  /** Of the patterns that lie across lines; 0: none. */
  private longestAcross = 0
  /** All patterns, one behind the other. */
  private readonly bytes: Buffer
  private readonly starts: Uint32Array
  private readonly lengths: Uint32Array
  private readonly shifts = new Uint8Array(BLOCKS)
  /** Patterns by the block at the end of their window: the longest, and after each the next shorter; -1: none. */
  private readonly longestOfBlock = new Int32Array(BLOCKS).fill(-1)
  private readonly nextOfBlock: Int32Array
  /** Patterns by their first byte, longest first. */
  private readonly byFirst: (number[] | undefined)[] = []

  private constructor(forms: readonly string[]) {
    const patterns = forms.map((text) => ({ text, length: Buffer.byteLength(text) })).toSorted((a, b) => a.length - b.length)
    this.lengths = Uint32Array.from(patterns, ({ length }) => length)
    this.starts = new Uint32Array(patterns.length)
    this.nextOfBlock = new Int32Array(patterns.length)
    this.window = Math.min(MAX_WINDOW, this.lengths[0] ?? 0)
    this.longest = this.lengths.at(-1) ?? 0
    this.shifts.fill(this.window - BLOCK_BYTES + 1)
    this.bytes = Buffer.alloc(this.lengths.reduce((sum, length) => sum + length, 0))
    let end = 0
    patterns.forEach(({ text, length }, pattern) => {
      this.starts[pattern] = end
      end += this.bytes.write(text, end)
      if (text.includes('\n')) this.longestAcross = length
      this.enter(pattern)
    })
    for (const patternsOfByte of this.byFirst) patternsOfByte?.reverse()
  }

  /** Undefined when there is nothing to mask. A job's runs share what is made for its secrets, while it is small and was used of late. */
  static of(secrets: readonly string[]): SecretPatterns | undefined {
    const key = JSON.stringify(secrets)
    const made = recent.get(key) ?? SecretPatterns.make(secrets)
    recent.delete(key)
    if (made === undefined || key.length > MAX_KEPT_LENGTH) return made
    recent.set(key, made)
    const [oldest] = recent.keys()
    if (recent.size > MAX_KEPT && oldest !== undefined) recent.delete(oldest)
    return made
  }

  private static make(secrets: readonly string[]): SecretPatterns | undefined {
    const forms = secretForms(secrets)
    return forms.length === 0 ? undefined : new SecretPatterns(forms)
  }

  private enter(pattern: number): void {
    const { bytes, shifts, byFirst, longestOfBlock } = this
    const start = this.starts[pattern] ?? 0
    const last = this.window - BLOCK_BYTES
    for (let i = 0; i <= last; i++) {
      const passed = blockAt(bytes, start + i)
      shifts[passed] = Math.min(shifts[passed] ?? 0, last - i)
    }
    const block = blockAt(bytes, start + last)
    this.nextOfBlock[pattern] = longestOfBlock[block] ?? -1
    longestOfBlock[block] = pattern
    const ofByte = (byFirst[bytes[start] ?? 0] ??= [])
    ofByte.push(pattern)
  }

  /** Where patterns lie, as pairs of start and end, by start; overlapping ones are merged. */
  find(input: Buffer): number[] {
    const { window, shifts } = this
    const found: number[] = []
    const end = input.length - window
    for (let at = 0; at <= end;) {
      const block = blockAt(input, at + window - BLOCK_BYTES)
      const shift = shifts[block] ?? 0
      if (shift > 0) {
        at += shift
        continue
      }
      const length = this.longestAt(input, at, block)
      if (length > 0) merge(found, at, at + length)
      at++
    }
    return found
  }

  /** Where the longest end of `input` begins that may be the beginning of a pattern; its length when there is none. */
  pendingFrom(input: Buffer): number {
    const { length } = input
    // What begins in an earlier line goes over its end.
    const inLine = Math.max(input.lastIndexOf(NEWLINE) + 1, length - this.longest + 1)
    const from = Math.max(0, Math.min(inLine, length - this.longestAcross + 1))
    for (let at = from; at < length; at++) if (this.mayBegin(input, at)) return at
    return length
  }

  /** The length of the longest pattern there; 0: none. */
  private longestAt(input: Buffer, at: number, block: number): number {
    const { bytes } = this
    for (let pattern = this.longestOfBlock[block] ?? -1; pattern >= 0; pattern = this.nextOfBlock[pattern] ?? -1) {
      const start = this.starts[pattern] ?? 0
      const length = this.lengths[pattern] ?? 0
      if (input[at] === bytes[start] && at + length <= input.length && input.compare(bytes, start, start + length, at, at + length) === 0) return length
    }
    return 0
  }

  private mayBegin(input: Buffer, at: number): boolean {
    const { bytes } = this
    const length = input.length - at
    for (const pattern of this.byFirst[input[at] ?? 0] ?? []) {
      // None of those that follow is longer.
      if ((this.lengths[pattern] ?? 0) <= length) return false
      const start = this.starts[pattern] ?? 0
      if (bytes[start + length - 1] === input[input.length - 1] && input.compare(bytes, start, start + length, at) === 0) return true
    }
    return false
  }
}

/** By their secrets, the one used last at the end. */
const recent = new Map<string, SecretPatterns>()

/** Three bytes as a number below BLOCKS: different ones may share it, which only costs a look. */
const blockAt = (bytes: Buffer, at: number): number => (((bytes[at] ?? 0) << 10) ^ ((bytes[at + 1] ?? 0) << 5) ^ (bytes[at + 2] ?? 0)) & (BLOCKS - 1)

function merge(found: number[], start: number, end: number): void {
  const last = found.at(-1)
  if (last !== undefined && start < last) found[found.length - 1] = Math.max(last, end)
  else found.push(start, end)
}
