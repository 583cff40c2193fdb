import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import type { Assignment } from '@jobtrail/protocol/wire/assignment'
import type { RunReply } from '@jobtrail/protocol/wire/worker'
import type { Route } from '../domain/route.js'

/** A worker connected to this server, as the engine sees it. */
export interface ConnectedWorker {
  readonly id: string
  readonly name: string
  /** Which process of the worker it is. */
  readonly incarnation: string
  /** The version of the protocol that it speaks. */
  readonly protocol: number
  readonly isConnected: boolean
  /** It has not answered so much that nothing more may be sent to it. */
  readonly isLaneFull: boolean
  /** Gives a reserved slot back. */
  release(): void
  /** Turns a reserved slot into a taken one. `givenAt`: the cluster's time. */
  hold(key: AttemptKey, givenAt: number): void
  /** The attempt takes no slot any more; true when it held one. */
  letGo(key: AttemptKey): boolean
  /** Whether it may still be given runs, with their secrets. Rejects when that cannot be found out now. */
  isTrusted(): Promise<boolean>
  /** Sends attempts, `bytes` in all, and says which it took. Rejects when it did not answer: nobody knows then whether it has them. */
  run(attempts: readonly Assignment[], bytes: number): Promise<RunReply['results']>
}

/** The slots of the workers connected to this server. Implemented by `workers/`. */
export abstract class WorkerSlots {
  abstract servesRoute(route: Route): boolean
  /** Reserves up to `limit` slots for a route: a worker for each. */
  abstract reserve(route: Route, limit: number): ConnectedWorker[]
  /** Gives reserved slots back, and tells so. */
  giveBack(workers: readonly ConnectedWorker[]): void {
    if (workers.length === 0) return
    for (const worker of workers) worker.release()
    this.slotsReturned()
  }

  /** Tells that reserved slots were released because there was nothing to take. */
  abstract slotsReturned(): void
  /** Calls `listener` once, when slots that were reserved come back unused. */
  abstract onceReturned(listener: () => void): void
  /** Calls `listener` whenever more slots may be free. */
  abstract onCapacity(listener: () => void): void
}
