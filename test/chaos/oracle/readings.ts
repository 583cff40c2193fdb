/** What was read of one attempt's log: how far it went, and in which state it was. */
interface Reading {
  readonly lines: number
  readonly state: string
}

const AFTER: Record<string, readonly string[]> = {
  open: ['open', 'interrupted', 'partial', 'sealed', 'expired'],
  partial: ['partial', 'expired'],
  sealed: ['sealed', 'expired'],
  expired: ['expired'],
}

/** Each reading of a log must go on from the ones that were over before it was asked for, whichever server answers. */
export class Readings {
  private readonly furthest = new Map<string, Reading>()

  /** To be called before a reading is asked for; the result belongs to it. */
  before(stream: string): Reading | undefined {
    return this.furthest.get(stream)
  }

  /** What is wrong with an answer, given what was known when it was asked for. */
  after(stream: string, known: Reading | undefined, now: Reading, where: string): string[] {
    const problems: string[] = []
    if (known !== undefined && now.state !== 'expired') {
      if (now.lines < known.lines) problems.push(`${stream} had ${known.lines} lines, then ${now.lines} (${where})`)
      if (!(AFTER[known.state] ?? [now.state]).includes(now.state)) problems.push(`${stream} was ${known.state}, then ${now.state} (${where})`)
      if (['sealed', 'partial'].includes(known.state) && now.lines !== known.lines)
        problems.push(`${stream} was ${known.state} with ${known.lines} lines, then had ${now.lines} (${where})`)
    }
    const best = this.furthest.get(stream)
    // What was closed once is what all later readings are compared with.
    const isClosed = best !== undefined && ['sealed', 'partial'].includes(best.state)
    if (best === undefined || (!isClosed && now.lines >= best.lines)) this.furthest.set(stream, now)
    return problems
  }
}
