import { setTimeout as sleep } from 'node:timers/promises'
import type { ChaosCluster } from '../cluster/cluster.js'
import type { PlannedFault } from '../plan.js'
import type { FaultKind } from './fault.js'

/** A fault that has happened. */
export interface Inflicted {
  readonly number: number
  readonly kind: string
  readonly target: string
  readonly begun: number
  ended: number | undefined
}

/** How long after its end a fault is still named beside what went wrong. */
const AFTERMATH_MS = 20_000

/** Carries out a plan, fault by fault at its time, whatever still goes on of those before. */
export class FaultRunner {
  readonly inflicted: Inflicted[] = []
  /** Planned, but all that could have been hurt was being hurt already. */
  skipped = 0
  private isStopping = false

  constructor(
    private readonly cluster: ChaosCluster,
    private readonly kinds: readonly FaultKind[],
    private readonly failed: (what: string) => void,
  ) {}

  /** Lasts as long as was planned, also when nothing is to happen in the end of it. */
  async run(plan: readonly PlannedFault[], durationMs: number): Promise<void> {
    const startedAt = performance.now()
    const going: Promise<void>[] = []
    for (const fault of plan) {
      const waitMs = fault.atMs - (performance.now() - startedAt)
      if (waitMs > 0) await sleep(waitMs)
      if (this.isStopping) break
      going.push(this.inflict(fault))
    }
    if (!this.isStopping) await sleep(Math.max(0, durationMs - (performance.now() - startedAt)))
    await Promise.all(going)
  }

  /** Inflicts nothing more; what is broken is still mended. */
  stop(): void {
    this.isStopping = true
  }

  countOf(kind: string): number {
    return this.inflicted.filter((fault) => fault.kind === kind).length
  }

  get going(): Inflicted[] {
    return this.inflicted.filter(({ ended }) => ended === undefined)
  }

  /** Those that go on or are not long over, for people. */
  recent(): string[] {
    const now = Date.now()
    return this.inflicted
      .filter(({ ended }) => ended === undefined || now - ended < AFTERMATH_MS)
      .map(({ number, kind, target, begun, ended }) => `#${number} ${kind} ${target} ${clock(begun)}-${ended === undefined ? '' : clock(ended)}`)
  }

  private async inflict({ number, kind, pick, size }: PlannedFault): Promise<void> {
    const found = this.kinds.find(({ name }) => name === kind)
    if (found === undefined) throw new Error(`there is no fault ${kind}`)
    let entry: Inflicted | undefined
    try {
      await found.inflict(this.cluster, { pick, size }, (target) => {
        entry = { number, kind, target, begun: Date.now(), ended: undefined }
        this.inflicted.push(entry)
      })
    } catch (error) {
      this.failed(`#${number} ${kind}: ${error instanceof Error ? error.message : String(error)}`)
    }
    if (entry === undefined) this.skipped++
    else entry.ended = Date.now()
  }
}

function clock(time: number): string {
  return new Date(time).toISOString().slice(11, 23)
}
