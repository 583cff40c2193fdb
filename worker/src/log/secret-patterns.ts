import { secretForms } from './secret-forms.js'

const NEWLINE = 0x0a
const BLOCK_BYTES = 2
const MAX_WINDOW = 255

/**
 * Finds any of many patterns in one pass (Wu-Manber): a table says for each pair of bytes how far the next possible match is away at least, so most bytes are never
 * looked at. Made once an attempt, shared by its streams.
 */
export class SecretPatterns {
  private readonly window: number
  private readonly longest: number
  private readonly hasNewlines: boolean
  private readonly shifts: Uint8Array
  /** Patterns by the pair of bytes at the end of their window, and by their first byte; longest first. */
  private readonly byBlock = new Map<number, Buffer[]>()
  private readonly byFirst: (Buffer[] | undefined)[] = []

  private constructor(patterns: readonly Buffer[]) {
    this.window = patterns.reduce((least, { length }) => Math.min(least, length), MAX_WINDOW)
    this.longest = patterns.reduce((most, { length }) => Math.max(most, length), 0)
    this.hasNewlines = patterns.some((pattern) => pattern.includes(NEWLINE))
    this.shifts = new Uint8Array(0x10000).fill(this.window - BLOCK_BYTES + 1)
    const last = this.window - BLOCK_BYTES
    for (const pattern of patterns.toSorted((a, b) => b.length - a.length)) {
      for (let i = 0; i <= last; i++) {
        const block = pattern.readUInt16BE(i)
        this.shifts[block] = Math.min(this.shifts[block] ?? 0, last - i)
      }
      append(this.byBlock, pattern.readUInt16BE(last), pattern)
      const first = pattern[0] ?? 0
      this.byFirst[first] = [...(this.byFirst[first] ?? []), pattern]
    }
  }

  /** Undefined when there is nothing to mask. */
  static of(secrets: readonly string[]): SecretPatterns | undefined {
    const patterns = secretForms(secrets)
    return patterns.length === 0 ? undefined : new SecretPatterns(patterns)
  }

  /** Where patterns lie, as pairs of start and end, by start; overlapping ones are merged. */
  find(input: Buffer): number[] {
    const { window, shifts } = this
    const found: number[] = []
    const end = input.length - window
    for (let at = 0; at <= end;) {
      const block = ((input[at + window - 2] ?? 0) << 8) | (input[at + window - 1] ?? 0)
      const shift = shifts[block] ?? 0
      if (shift > 0) {
        at += shift
        continue
      }
      const matched = this.byBlock.get(block)?.find((pattern) => isAt(pattern, input, at))
      if (matched !== undefined) merge(found, at, at + matched.length)
      at++
    }
    return found
  }

  /** Where the longest end of `input` begins that may be the beginning of a pattern; its length when there is none. */
  pendingFrom(input: Buffer): number {
    const lineStart = this.hasNewlines ? 0 : input.lastIndexOf(NEWLINE) + 1
    for (let at = Math.max(lineStart, input.length - this.longest + 1); at < input.length; at++) {
      const length = input.length - at
      const isPrefix = this.byFirst[input[at] ?? 0]?.some(
        (pattern) => pattern.length > length && pattern[length - 1] === input[input.length - 1] && input.compare(pattern, 0, length, at) === 0,
      )
      if (isPrefix === true) return at
    }
    return input.length
  }
}

function append(map: Map<number, Buffer[]>, block: number, pattern: Buffer): void {
  const list = map.get(block)
  if (list === undefined) map.set(block, [pattern])
  else list.push(pattern)
}

const isAt = (pattern: Buffer, input: Buffer, at: number): boolean =>
  input[at] === pattern[0] && at + pattern.length <= input.length && input.compare(pattern, 0, pattern.length, at, at + pattern.length) === 0

function merge(found: number[], start: number, end: number): void {
  const last = found.at(-1)
  if (last !== undefined && start < last) found[found.length - 1] = Math.max(last, end)
  else found.push(start, end)
}
