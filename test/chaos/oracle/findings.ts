/** What the bench checks, and the words for it in the table. */
export const PROMISES = {
  'fires-once': 'A scheduled time makes exactly one run',
  'one-at-a-time': 'Never two attempts of a run at a time, none twice, no more runs than maxConcurrent',
  'log-whole': 'Every line once and in its place, or its loss is named',
  'log-prefix': 'Each reading of a log goes on from the one before, on every server',
  states: 'States only move along their tables',
  'data-exact': 'Parameters and results come back exactly',
  outcome: 'A run ends as its job does',
  kept: 'What was acknowledged is there in the end',
  ends: 'Every run ends, and every log closes',
  secrets: 'No secret can be read: in no answer, log, document or file of a server or store',
  tenants: 'Nobody sees data of another namespace',
  answers: 'An answer is right, or says that something is away',
  'stays-up': 'No server or worker ends by itself',
  'no-leftovers': 'Nothing of an ended attempt runs on',
} as const
export type Promised = keyof typeof PROMISES

export interface Violation {
  readonly promise: Promised
  readonly at: Date
  readonly what: string
  /** Faults around it. */
  readonly faults: readonly string[]
}

const SHOWN_FOR_EACH = 200

/** Counts what was checked and keeps what was wrong. */
export class Findings {
  readonly violations: Violation[] = []
  private readonly checks = new Map<Promised, number>()
  private readonly wrong = new Map<Promised, number>()
  private readonly known = new Set<string>()

  constructor(
    private readonly recentFaults: () => string[] = () => [],
    private readonly onViolation: (violation: Violation) => void = () => undefined,
  ) {}

  /** One more look at a promise; `problems` is empty when it held. The same problem is counted once. */
  check(promise: Promised, problems: readonly string[] = []): void {
    this.checks.set(promise, this.checked(promise) + 1)
    for (const what of problems) {
      if (this.known.has(`${promise} ${what}`)) continue
      this.known.add(`${promise} ${what}`)
      const count = this.violated(promise) + 1
      this.wrong.set(promise, count)
      if (count > SHOWN_FOR_EACH) continue
      const violation = { promise, at: new Date(), what, faults: this.recentFaults() }
      this.violations.push(violation)
      this.onViolation(violation)
    }
  }

  checked(promise: Promised): number {
    return this.checks.get(promise) ?? 0
  }

  violated(promise: Promised): number {
    return this.wrong.get(promise) ?? 0
  }

  get totalChecks(): number {
    return [...this.checks.values()].reduce((sum, count) => sum + count, 0)
  }

  get totalViolations(): number {
    return [...this.wrong.values()].reduce((sum, count) => sum + count, 0)
  }
}
