import { setTimeout as sleep } from 'node:timers/promises'
import type { Named } from '../cluster/claims.js'
import type { ChaosCluster } from '../cluster/cluster.js'
import type { ServerProgram } from '../cluster/program.js'

/** What the plan says of a fault: numbers in [0, 1) that choose the target, and how long or how hard. */
export interface Draw {
  readonly pick: number
  readonly size: number
}

/** A way to hurt the cluster. */
export interface FaultKind {
  readonly name: string
  readonly what: string
  /** How often it is chosen, in relation to the others. */
  readonly weight: number
  /** Why it cannot be done here. */
  missing?(cluster: ChaosCluster): string | undefined
  /**
   * Breaks something, says what at that moment, and mends it before it resolves. Without a target that is free it does nothing and says nothing.
   * Throws when the cluster does not come back.
   */
  inflict(cluster: ChaosCluster, draw: Draw, say: (target: string) => void): Promise<void>
}

/** A number in a range, by how hard the fault is to be. */
export const scaled = (size: number, low: number, high: number): number => low + size * (high - low)

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`

/** Hurts one of the candidates that nothing else hurts meanwhile. */
export async function hurting<T extends Named>(
  cluster: ChaosCluster,
  candidates: readonly T[],
  { pick }: Draw,
  work: (target: T) => Promise<void>,
): Promise<void> {
  const target = cluster.claims.take(candidates, pick)
  if (target === undefined) return
  try {
    await work(target)
  } finally {
    cluster.claims.release(target)
  }
}

const REVIVE_MS = 150_000
const PAUSE_MS = 500

/** Starts a server and waits until it is ready. One that ends during its start, because what it needs is away, is started again, as a service manager would. */
export async function revive(cluster: ChaosCluster, server: ServerProgram): Promise<void> {
  const deadline = performance.now() + REVIVE_MS
  for (;;) {
    server.start()
    try {
      await cluster.waitUntilReady(server, deadline - performance.now())
      return
    } catch (error) {
      if (server.isRunning || performance.now() > deadline) throw error
    }
    await sleep(PAUSE_MS)
  }
}
