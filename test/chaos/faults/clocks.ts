import { setTimeout as sleep } from 'node:timers/promises'
import type { ChaosCluster } from '../cluster/cluster.js'
import type { Program } from '../cluster/program.js'
import { type FaultKind, hurting, scaled, seconds } from './fault.js'

const MAX_STEP_MS = 300_000

/** Its wall clock jumps, stays wrong for a while and jumps back. Nothing else about the program is kept from being hurt meanwhile. */
function clockFault(name: string, what: string, programsOf: (cluster: ChaosCluster) => readonly Program[]): FaultKind {
  return {
    name,
    what,
    weight: 2,
    inflict: (cluster, draw, say) =>
      hurting(
        cluster,
        programsOf(cluster).map((program) => ({ name: `clock of ${program.name}`, program })),
        draw,
        async ({ program }) => {
          // Small steps as often as large ones, to either side.
          const strength = Math.abs(draw.size * 2 - 1)
          const stepMs = Math.sign(draw.size - 0.5) * MAX_STEP_MS * strength ** 4
          say(`${program.name} by ${seconds(stepMs)}`)
          program.setClock(stepMs)
          await sleep(scaled(strength, 1_000, 8_000))
          program.setClock(0)
        },
      ),
  }
}

export const clockFaults: readonly FaultKind[] = [
  clockFault('server-clock', "a server's wall clock is stepped, by up to 5 minutes to either side, and back", ({ servers }) => servers),
  clockFault('worker-clock', "a worker's wall clock is stepped, by up to 5 minutes to either side, and back", ({ workers }) => workers),
]
