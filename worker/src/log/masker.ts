const MASK = Buffer.from('***')
const EMPTY = Buffer.alloc(0)
/** Shorter pieces of a secret of several lines would hit ordinary text. */
const MIN_SECRET_BYTES = 4

/**
 * Replaces secret values by `***` in the bytes of one side of a stream, line by line. It works before long lines are cut and holds back what may be the
 * beginning of a secret, so a secret is found wherever reads or cuts fall. Secrets that overlap become one mask. A secret of several lines is masked line by line.
 */
export class Masker {
  private readonly secrets: readonly Buffer[]
  private readonly longest: number
  /** Bytes of the line in work that may begin a secret. */
  private carry: Buffer = EMPTY
  /** So many bytes to come are covered by a mask already written. */
  private swallow = 0

  private constructor(secrets: readonly Buffer[]) {
    this.secrets = secrets
    this.longest = secrets.reduce((longest, secret) => Math.max(longest, secret.length), 0)
  }

  /** Undefined when there is nothing to mask. */
  static create(secrets: readonly string[]): Masker | undefined {
    const parts = new Set(secrets.flatMap((secret) => secret.split(/\r?\n/)))
    const values = [...parts].map((part) => Buffer.from(part)).filter((part) => part.length >= MIN_SECRET_BYTES)
    return values.length > 0 ? new Masker(values) : undefined
  }

  /** Whether some whole secret is in these bytes: saves the work per line where none is. */
  isIn(bytes: Buffer): boolean {
    return this.secrets.some((secret) => bytes.includes(secret))
  }

  /** Takes the next bytes of a line (without its newline) and returns what of it is decided; at the end of the line that is all of it. */
  feed(bytes: Buffer, isLineEnd: boolean): Buffer {
    const input = this.carry.length > 0 ? Buffer.concat([this.carry, bytes]) : bytes
    const decided = isLineEnd ? input.length : Math.max(0, input.length - this.longest + 1)
    const matches = this.findAll(input, decided)
    const parts: Buffer[] = []
    let maskEnd = this.swallow
    for (const [start, end] of matches) {
      if (start >= maskEnd) {
        parts.push(input.subarray(maskEnd, start), MASK)
        maskEnd = end
      } else if (end > maskEnd) maskEnd = end
    }
    if (maskEnd < decided) parts.push(input.subarray(maskEnd, decided))
    this.swallow = isLineEnd ? 0 : Math.max(0, maskEnd - decided)
    this.carry = decided < input.length ? Buffer.from(input.subarray(decided)) : EMPTY
    const [first = EMPTY] = parts
    return parts.length <= 1 ? first : Buffer.concat(parts)
  }

  /** Where secrets are that begin before `limit`, in order. */
  private findAll(input: Buffer, limit: number): [number, number][] {
    const found: [number, number][] = []
    for (const secret of this.secrets) {
      let at = input.indexOf(secret)
      while (at >= 0 && at < limit) {
        found.push([at, at + secret.length])
        at = input.indexOf(secret, at + 1)
      }
    }
    return found.length > 1 ? found.toSorted((a, b) => a[0] - b[0]) : found
  }
}
