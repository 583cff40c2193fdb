import { setTimeout as sleep } from 'node:timers/promises'
import type { ChaosCluster } from '../cluster/cluster.js'
import type { Findings } from '../oracle/findings.js'

const LOOK_MS = 300

/** Notices a server or worker that ends although nobody ended it, and starts it again. */
export class Watchdog {
  private loop: Promise<void> = Promise.resolve()
  private isStopping = false

  constructor(
    private readonly cluster: ChaosCluster,
    private readonly findings: Findings,
  ) {}

  start(): void {
    this.loop = this.keepLooking()
  }

  async stop(): Promise<void> {
    this.isStopping = true
    await this.loop
  }

  private async keepLooking(): Promise<void> {
    const { servers, workers, claims } = this.cluster
    while (!this.isStopping) {
      for (const program of [...servers, ...workers]) {
        if (claims.isHeld(program)) continue
        const isGone = !program.isRunning
        this.findings.check('stays-up', isGone ? [`${program.name} ended by itself; the end of its log: ${program.process.tail(5)}`] : [])
        if (isGone) program.start()
      }
      await sleep(LOOK_MS)
    }
  }
}
