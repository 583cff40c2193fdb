import { Injectable } from '@nestjs/common'
import { Logger } from './logging.js'

/**
 * How a server leaves, in this order: `take` (take no new work, be unready), `handOver` (workers and followers go elsewhere), `finish` (what is in flight is
 * answered and written). Each phase has its share of the 10 s.
 */
const PHASES = { take: 1_500, handOver: 4_500, finish: 2_500 } as const
type Phase = keyof typeof PHASES

@Injectable()
export class Shutdown {
  private readonly steps: { phase: Phase; name: string; run: () => Promise<void> | void }[] = []
  private draining = false

  constructor(private readonly logger: Logger) {}

  get isDraining(): boolean {
    return this.draining
  }

  /** Called at start by whoever has something to end in order. */
  register(phase: Phase, name: string, run: () => Promise<void> | void): void {
    this.steps.push({ phase, name, run })
  }

  /** Never rejects: a step that fails or takes too long is logged, and the next phase begins. */
  async run(): Promise<void> {
    this.draining = true
    for (const phase of Object.keys(PHASES) as Phase[]) {
      const steps = this.steps.filter((step) => step.phase === phase)
      await Promise.all(steps.map((step) => this.runStep(step.name, step.run, PHASES[phase])))
    }
  }

  private async runStep(name: string, run: () => Promise<void> | void, timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.logger.warn('A step of the shutdown took too long', { step: name, timeoutMs })
        resolve()
      }, timeoutMs)
    })
    try {
      await Promise.race([run(), timeout])
    } catch (err) {
      this.logger.error('A step of the shutdown failed', { step: name, err })
    } finally {
      clearTimeout(timer)
    }
  }
}
