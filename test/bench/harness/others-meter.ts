import { availableParallelism } from 'node:os'
import { machineSeconds, treeSeconds } from './process-meter.js'

/** How much of the machine everything but this benchmark uses: figures taken beside other work say little. */
export class OthersMeter {
  private readonly startedAt = performance.now()
  private readonly machine = machineSeconds()
  private readonly ours = treeSeconds(process.pid)

  /** Since this meter was made, of all cores; from 0 to 1. */
  share(): number {
    const seconds = (performance.now() - this.startedAt) / 1_000
    const others = machineSeconds() - this.machine - (treeSeconds(process.pid) - this.ours)
    return Math.min(1, Math.max(0, others / (seconds * availableParallelism())))
  }
}
