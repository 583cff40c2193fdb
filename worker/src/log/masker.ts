import { SecretPatterns } from './secret-patterns.js'

const MASK = Buffer.from('***')
const NEWLINE = 0x0a
const NEWLINE_BYTES = Buffer.from([NEWLINE])
const EMPTY = Buffer.alloc(0)

/**
 * Replaces secrets by `***` in the bytes of one side of a stream, before they are split into lines. It holds back what may be the beginning of a secret, so a secret
 * is found wherever reads fall. Secrets that overlap become one mask; one of several lines becomes a mask in each, so lines stay lines.
 */
export class Masker {
  /** Bytes that may begin a secret. */
  private carry: Buffer = EMPTY
  /** So many bytes to come are covered by a mask. */
  private covered = 0
  /** The next covered byte begins a line: it needs a mask of its own. */
  private needsMask = false

  constructor(private readonly patterns: SecretPatterns) {}

  /** Takes the next bytes and returns what is decided; the bytes themselves where nothing had to be done. */
  feed(bytes: Buffer): Buffer {
    const input = this.carry.length > 0 ? Buffer.concat([this.carry, bytes]) : bytes
    return this.mask(input, this.patterns.pendingFrom(input))
  }

  /** No more bytes: the rest. */
  end(): Buffer {
    return this.mask(this.carry, this.carry.length)
  }

  private mask(input: Buffer, decided: number): Buffer {
    const found = this.patterns.find(input)
    this.carry = decided < input.length ? Buffer.from(input.subarray(decided)) : EMPTY
    if (found.length === 0 && this.covered === 0) return decided === input.length ? input : input.subarray(0, decided)
    const parts: Buffer[] = []
    let coveredTo = this.covered
    let at = Math.min(coveredTo, decided)
    this.cover(input.subarray(0, at), parts)
    for (let i = 0; i < found.length; i += 2) {
      const start = found[i] ?? 0
      const end = found[i + 1] ?? 0
      if (start >= decided) break
      if (start >= coveredTo) {
        parts.push(input.subarray(at, start))
        this.needsMask = true
        at = start
      }
      const to = Math.max(at, Math.min(end, decided))
      this.cover(input.subarray(at, to), parts)
      at = to
      coveredTo = Math.max(coveredTo, end)
    }
    parts.push(input.subarray(at, decided))
    this.covered = Math.max(0, coveredTo - decided)
    return Buffer.concat(parts)
  }

  private cover(bytes: Buffer, parts: Buffer[]): void {
    for (let at = 0; at < bytes.length;) {
      const newline = bytes.indexOf(NEWLINE, at)
      if (newline !== at && this.needsMask) {
        parts.push(MASK)
        this.needsMask = false
      }
      if (newline < 0) return
      parts.push(NEWLINE_BYTES)
      this.needsMask = true
      at = newline + 1
    }
  }
}

/** The same for what is told beside the log: error, progress, result. */
export class TextMasker {
  constructor(private readonly patterns: SecretPatterns | undefined) {}

  text(text: string): string {
    if (this.patterns === undefined) return text
    const bytes = Buffer.from(text)
    const masked = this.bytes(bytes)
    return masked === bytes ? text : masked.toString()
  }

  bytes(bytes: Buffer): Buffer {
    if (this.patterns === undefined || this.patterns.find(bytes).length === 0) return bytes
    const masker = new Masker(this.patterns)
    return Buffer.concat([masker.feed(bytes), masker.end()])
  }

  /** JSON as text, still JSON afterwards: strings (also keys) are masked inside, a number that holds a secret becomes `"***"`; everything else keeps its bytes. */
  json(json: string): string {
    if (this.patterns === undefined) return json
    return json.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|[-+.\deE]+/g, (token) => {
      if (!token.startsWith('"')) return this.text(token) === token ? token : '"***"'
      const text: unknown = JSON.parse(token)
      const masked = this.text(String(text))
      return masked === text ? token : JSON.stringify(masked)
    })
  }
}
