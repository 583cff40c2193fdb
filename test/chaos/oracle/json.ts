/** JSON as it is written: numbers keep their digits, objects every member. The built-in parser would round the one and lose the other (`__proto__`). */
export type Exact = null | boolean | string | ExactNumber | Exact[] | ExactObject

/** A number by its value: digits without zeros at either end, times a power of ten. */
export class ExactNumber {
  readonly text: string
  constructor(written: string) {
    const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(written)
    if (match === null) throw new SyntaxError(`not a number: ${written}`)
    const [, sign = '', whole = '', fraction = '', exponent = '0'] = match
    const digits = `${whole}${fraction}`.replace(/^0+/, '')
    const short = digits.replace(/0+$/, '')
    const power = BigInt(exponent) - BigInt(fraction.length) + BigInt(digits.length - short.length)
    this.text = short === '' ? '0' : `${sign}${short}e${power}`
  }
}

export class ExactObject {
  constructor(readonly members: ReadonlyMap<string, Exact>) {}
}

const MAX_DEPTH = 2_000

/** Parses JSON exactly; throws SyntaxError. */
export function parseExact(text: string): Exact {
  const parser = new Parser(text)
  const value = parser.value(0)
  parser.end()
  return value
}

class Parser {
  private at = 0

  constructor(private readonly text: string) {}

  value(depth: number): Exact {
    if (depth > MAX_DEPTH) throw new SyntaxError('nested too deeply')
    this.blank()
    const next = this.text[this.at]
    if (next === '{') return this.object(depth)
    if (next === '[') return this.array(depth)
    if (next === '"') return this.string()
    const word = this.match(/true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y)
    if (word === 'true' || word === 'false') return word === 'true'
    return word === 'null' ? null : new ExactNumber(word)
  }

  end(): void {
    this.blank()
    if (this.at < this.text.length) throw new SyntaxError(`more than a value at ${this.at}`)
  }

  private object(depth: number): ExactObject {
    const members = new Map<string, Exact>()
    this.list('{', '}', () => {
      this.blank()
      const key = this.string()
      this.blank()
      this.match(/:/y)
      members.set(key, this.value(depth + 1))
    })
    return new ExactObject(members)
  }

  private array(depth: number): Exact[] {
    const items: Exact[] = []
    this.list('[', ']', () => items.push(this.value(depth + 1)))
    return items
  }

  private list(open: string, close: string, item: () => void): void {
    this.at += open.length
    this.blank()
    if (this.text[this.at] === close) {
      this.at++
      return
    }
    for (;;) {
      item()
      this.blank()
      const next = this.text[this.at++]
      if (next === close) return
      if (next !== ',') throw new SyntaxError(`no comma at ${this.at - 1}`)
    }
  }

  private string(): string {
    const written = this.match(/"(?:[^"\\]|\\.)*"/sy)
    return JSON.parse(written) as string
  }

  private blank(): void {
    while (/[ \t\n\r]/.test(this.text[this.at] ?? '')) this.at++
  }

  private match(pattern: RegExp): string {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.text)?.[0]
    if (found === undefined) throw new SyntaxError(`not JSON at ${this.at}: ${this.text.slice(this.at, this.at + 20)}`)
    this.at += found.length
    return found
  }
}

/** One text for each value, whatever the order of members and the blanks. */
export function canonical(value: Exact | undefined): string {
  if (value === undefined) return 'undefined'
  if (value instanceof ExactNumber) return value.text
  if (value instanceof ExactObject) {
    const members = [...value.members].map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`)
    return `{${members.toSorted().join(',')}}`
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  return JSON.stringify(value)
}

/** A member of an object, by a path. */
export function memberOf(value: Exact | undefined, ...path: (string | number)[]): Exact | undefined {
  let found = value
  for (const step of path) {
    if (typeof step === 'number') found = Array.isArray(found) ? found.at(step) : undefined
    else found = found instanceof ExactObject ? found.members.get(step) : undefined
  }
  return found
}

export function textOf(value: Exact | undefined, ...path: (string | number)[]): string {
  const found = memberOf(value, ...path)
  return typeof found === 'string' ? found : ''
}

/** NaN where there is no number. */
export function numberOf(value: Exact | undefined, ...path: (string | number)[]): number {
  const found = memberOf(value, ...path)
  return found instanceof ExactNumber ? Number(found.text) : Number.NaN
}

export function listOf(value: Exact | undefined, ...path: (string | number)[]): Exact[] {
  const found = memberOf(value, ...path)
  return Array.isArray(found) ? found : []
}
