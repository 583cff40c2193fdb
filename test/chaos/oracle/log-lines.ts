/** A line as the API shows it. */
export interface ShownLine {
  readonly n: number
  readonly stream: string
  readonly text: string
}

/** What an attempt of a job writes, each line unlike all others of it. Line `i` follows from `i` alone. */
export interface ExpectedOutput {
  readonly count: number
  readonly line: (i: number) => string
  /** Which of its lines a text is; undefined when it is none. */
  readonly indexOf: (text: string) => number | undefined
}

/** A log that nothing is added to any more, with what its own process said of it. */
export interface ClosedLog {
  readonly what: string
  readonly state: string
  /** Whether the answer names something that is missing. */
  readonly namesLoss: boolean
  readonly lines: readonly ShownLine[]
  /** Lines that the process says to have handed to its pipe. */
  readonly written: number
  /** Whether the process came to its end by itself. */
  readonly hasEnded: boolean
  /** A server of the former version may have closed it: that one calls a log sealed whose marker lines alone say what is missing. */
  readonly mayBeOfFormer: boolean
}

/** A closed log of which only the bytes are known. */
export interface ByteLog extends Omit<ClosedLog, 'lines' | 'written'> {
  readonly got: Buffer
}

const shown = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)

/** Lines of the beginning of a log, from line `from` on, as far as they were read: each must be what was written, and nothing may be missing between. */
export function pieceProblems(what: string, expected: ExpectedOutput, from: number, lines: readonly ShownLine[]): string[] {
  const problems: string[] = []
  let previous: number | undefined
  lines.forEach(({ n, stream, text }, i) => {
    if (problems.length > 3) return
    if (n !== from + i) problems.push(`${what}: line ${n} stands where line ${from + i} belongs`)
    if (stream === 'system') {
      previous = undefined // a marker: something may be missing here, and it is said
      return
    }
    const index = expected.indexOf(text)
    if (index === undefined) problems.push(`${what}: line ${n} is ${shown(text)}, which the job did not write`)
    else if (previous !== undefined && index !== previous + 1)
      problems.push(
        `${what}: line ${n} is the job's line ${index}, after its line ${previous}: ${index <= previous ? 'doubled or out of place' : 'lines are missing, and nothing says so'}`,
      )
    previous = index
  })
  return problems
}

/** What is wrong about a closed log: a line missing, doubled, out of place or foreign, or a word for whole over what is not. */
export function closedLogProblems(log: ClosedLog, expected: ExpectedOutput): string[] {
  const problems = pieceProblems(log.what, expected, 0, log.lines)
  const own = log.lines.filter(({ stream }) => stream !== 'system')
  const first = own[0]
  const isMarked = own.length < log.lines.length
  const { isWhole, namesLoss } = claimOf(log, isMarked)
  if (isWhole && isMarked) problems.push(`${log.what} is sealed, but has marker lines: something is missing in it`)
  if (first !== undefined && log.lines[0] === first && expected.indexOf(first.text) !== 0 && expected.indexOf(first.text) !== undefined)
    problems.push(`${log.what} begins with the job's line ${expected.indexOf(first.text)}`)
  const due = log.hasEnded ? expected.count : log.written
  if (own.length < due && isWhole) problems.push(`${log.what} is sealed with ${own.length} lines, but its process wrote ${due}`)
  if (own.length < due && !isWhole && !namesLoss)
    problems.push(`${log.what} has ${own.length} of ${due} lines, is ${log.state}, and does not say what is missing`)
  problems.push(...unnamedProblems(log))
  if (own.length > expected.count) problems.push(`${log.what} has ${own.length} lines, but its process can have written only ${expected.count}`)
  return problems
}

const MARKER = /\[jobtrail\] [^\n]*\n/

/** Bytes of a closed log of which the process wrote exactly `expected`, if it came to its end. What is between marker lines has to be in it, in order. */
export function bytesProblems(log: ByteLog, expected: Buffer): string[] {
  const { what, state, hasEnded, got } = log
  if (state === 'expired') return []
  // One character a byte.
  const written = expected.toString('latin1')
  const [beginning = '', ...others] = got.toString('latin1').split(MARKER)
  const { isWhole, namesLoss } = claimOf(log, others.length > 0)
  const problems = unnamedProblems(log)
  if (!written.startsWith(beginning)) {
    const at = [...beginning].findIndex((char, i) => char !== written[i])
    problems.push(`${what} is ${state}, but differs from what its process wrote at byte ${at} of ${got.length} (${expected.length} were written)`)
  }
  if (isWhole && others.length > 0) problems.push(`${what} is sealed, but has marker lines: something is missing in it`)
  let end = beginning.length
  for (const part of others) {
    const at = written.indexOf(part, end)
    if (at < 0) problems.push(`${what} has ${part.length} bytes after a marker line that its process did not write there`)
    else end = at + part.length
  }
  const kept = [beginning, ...others].reduce((sum, { length }) => sum + length, 0)
  if (hasEnded && kept < expected.length) {
    if (isWhole) problems.push(`${what} is sealed with ${kept} bytes, but its process wrote ${expected.length}`)
    else if (!namesLoss) problems.push(`${what} has ${kept} of ${expected.length} bytes, is ${state}, and does not say what is missing`)
  }
  return problems
}

/** What a closed log says of itself. */
function claimOf({ state, namesLoss, mayBeOfFormer }: Pick<ClosedLog, 'state' | 'namesLoss' | 'mayBeOfFormer'>, isMarked: boolean) {
  const isOfFormer = mayBeOfFormer && isMarked
  return { isWhole: state === 'sealed' && !isOfFormer, namesLoss: namesLoss || isOfFormer }
}

/** `partial` comes with what is missing. */
function unnamedProblems({ what, state, namesLoss, mayBeOfFormer }: Pick<ClosedLog, 'what' | 'state' | 'namesLoss' | 'mayBeOfFormer'>): string[] {
  return state === 'partial' && !namesLoss && !mayBeOfFormer ? [`${what} is partial, and does not say what is missing`] : []
}

/** What a limit leaves of what was written. */
export interface Limited {
  readonly kept: number
  readonly left: { readonly lines: number; readonly bytes: number }
}

/** What a log limit must do to lines of these lengths, newline included: the first one that is beyond it and all behind that are left out. */
export function limited(sizes: readonly number[], limits: { readonly maxLines?: number; readonly maxBytes?: number }): Limited {
  const { maxLines = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = limits
  let kept = 0
  for (let bytes = 0; kept < sizes.length && kept < maxLines; kept++) {
    bytes += sizes[kept] ?? 0
    if (bytes > maxBytes) break
  }
  const left = sizes.slice(kept)
  return { kept, left: { lines: left.length, bytes: left.reduce((sum, size) => sum + size, 0) } }
}

/** A loss as the API names it. */
export interface NamedLoss {
  readonly reason: string
  readonly at: number
  readonly lines: number
  readonly bytes: number
}

/** The log of a process that came to its end, and wrote more than its limit, has to say so to the byte. */
export function limitProblems(state: string, losses: readonly NamedLoss[], { kept, left }: Limited): string[] {
  const loss = losses.find(({ reason }) => reason === 'limit')
  const given = losses.map(({ reason, at, lines, bytes }) => `${reason} at ${at}: ${lines} lines, ${bytes} bytes`).join('; ') || 'nothing'
  if (state !== 'partial') return [`its log is ${state}, although its limit left out ${left.lines} lines`]
  return loss?.at === kept && loss.lines === left.lines && loss.bytes === left.bytes
    ? []
    : [`its log names as missing ${given}; its limit left out ${left.lines} lines with ${left.bytes} bytes from line ${kept} on`]
}
