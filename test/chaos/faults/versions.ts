import { setTimeout as sleep } from 'node:timers/promises'
import type { ChaosCluster } from '../cluster/cluster.js'
import type { Build, ServerProgram, WorkerProgram } from '../cluster/program.js'
import { revive } from './fault.js'

/** How long a worker that was started is nobody else's to hurt: so that also one that is hurt often gets something done. */
export const SETTLE_MS = 1_500

export const formerMissing = ({ former }: ChaosCluster): string | undefined => ('missing' in former ? former.missing : undefined)

/** Stops a server in good order, and starts it from that build. */
export async function runServer(cluster: ChaosCluster, server: ServerProgram, build: Build): Promise<void> {
  await server.process.stop(15_000)
  server.build = build
  await revive(cluster, server)
}

/** Ends a worker, and starts it from that build on the same spool. */
export async function runWorker(worker: WorkerProgram, build: Build, end: 'stop' | 'kill' = 'stop'): Promise<void> {
  await (end === 'kill' ? worker.process.kill() : worker.process.stop(20_000))
  worker.build = build
  worker.start()
  await sleep(SETTLE_MS)
}
