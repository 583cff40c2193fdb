import type { StateView } from '../oracle/states.js'
import type { JobKind } from './kind.js'

/** A run that the API has acknowledged, or that a schedule has made, with what is known of it. */
export interface Run {
  readonly id: string
  readonly kind: JobKind
  readonly jobId: string
  /** JSON text that it was given; empty for none. */
  readonly params: string
  /** Which of the run's fixtures it works with, where it works with any. */
  readonly variant: number
  readonly acknowledgedAt: number
  /** How often a user has asked for another attempt. */
  retries: number
  /** Nobody will ask for anything of it any more. */
  isLeft: boolean
  view: StateView | undefined
  /** Its end and its last log have been looked at, and were what they had to be or not. */
  isAudited: boolean
}

/** Every run there has to be. */
export class Ledger {
  private readonly runs = new Map<string, Run>()
  private readonly open = new Set<Run>()

  get(id: string): Run | undefined {
    return this.runs.get(id)
  }

  add(run: Omit<Run, 'retries' | 'view' | 'isAudited'>): Run {
    const known = this.runs.get(run.id)
    if (known !== undefined) return known
    const added: Run = { ...run, retries: 0, view: undefined, isAudited: false }
    this.runs.set(run.id, added)
    this.open.add(added)
    return added
  }

  /** All there is to say about its end has been said. */
  settle(run: Run): void {
    run.isAudited = true
    this.open.delete(run)
  }

  get all(): Run[] {
    return [...this.runs.values()]
  }

  get size(): number {
    return this.runs.size
  }

  /** Those that are not settled, in the order in which they came. */
  get waiting(): Run[] {
    return [...this.open]
  }
}
