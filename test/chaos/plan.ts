import { Random } from './random.js'

/** A kind of fault, as far as the plan needs to know it. */
export interface PlannedKind {
  readonly name: string
  /** How often it is chosen, in relation to the others. */
  readonly weight: number
}

/** One fault to come. `pick` chooses the target among those that can be hurt at that moment, `size` how long or how hard; both in [0, 1). */
export interface PlannedFault {
  readonly number: number
  readonly atMs: number
  readonly kind: string
  readonly pick: number
  readonly size: number
}

/** When what is broken: follows from the seed alone. Every kind once to begin with, then by weight. */
export function makePlan(seed: number, durationMs: number, gapMs: number, kinds: readonly PlannedKind[]): PlannedFault[] {
  const random = new Random(seed)
  const opening = random.shuffle(kinds.map(({ name }) => name))
  const plan: PlannedFault[] = []
  let atMs = 0
  for (;;) {
    atMs += gapMs * random.between(0.2, 1.8)
    if (atMs >= durationMs) return plan
    const drawn = byWeight(kinds, random.next())
    plan.push({ number: plan.length + 1, atMs: Math.round(atMs), kind: opening[plan.length] ?? drawn, pick: random.next(), size: random.next() })
  }
}

function byWeight(kinds: readonly PlannedKind[], at: number): string {
  let left = at * kinds.reduce((sum, { weight }) => sum + weight, 0)
  for (const { name, weight } of kinds) {
    left -= weight
    if (left < 0) return name
  }
  throw new RangeError('there is no kind of fault to plan')
}
