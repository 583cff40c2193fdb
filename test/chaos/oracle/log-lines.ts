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
  const isWhole = log.state === 'sealed'
  if (isWhole && own.length < log.lines.length) problems.push(`${log.what} is sealed, but has marker lines: something is missing in it`)
  if (first !== undefined && log.lines[0] === first && expected.indexOf(first.text) !== 0 && expected.indexOf(first.text) !== undefined)
    problems.push(`${log.what} begins with the job's line ${expected.indexOf(first.text)}`)
  const due = log.hasEnded ? expected.count : log.written
  if (own.length < due && isWhole) problems.push(`${log.what} is sealed with ${own.length} lines, but its process wrote ${due}`)
  if (own.length < due && !isWhole && !log.namesLoss)
    problems.push(`${log.what} has ${own.length} of ${due} lines, is ${log.state}, and does not say what is missing`)
  if (own.length > expected.count) problems.push(`${log.what} has ${own.length} lines, but its process can have written only ${expected.count}`)
  return problems
}

/** Bytes of a closed log of which the process wrote exactly `expected`, if it came to its end. */
export function bytesProblems(what: string, state: string, hasEnded: boolean, got: Buffer, expected: Buffer): string[] {
  const isBeginning = got.length <= expected.length && got.equals(expected.subarray(0, got.length))
  if (state === 'sealed' && !isBeginning) {
    const at = got.findIndex((byte, i) => byte !== expected[i])
    return [`${what} is sealed, but differs from what its process wrote at byte ${at} of ${got.length} (${expected.length} were written)`]
  }
  if (state === 'sealed' && hasEnded && got.length < expected.length)
    return [`${what} is sealed with ${got.length} bytes, but its process wrote ${expected.length}`]
  return []
}
