import { describe } from 'vitest'
import { useBench } from './bench.js'
import { delivering } from './suite/delivering.js'
import { ending } from './suite/ending.js'
import { greeting } from './suite/greeting.js'
import { restarting } from './suite/restarting.js'
import { running } from './suite/running.js'
import { slots } from './suite/slots.js'
import type { Adapter } from './worker-under-test.js'

/**
 * What every worker has to do, in whatever language; docs/protocol.md says why. Cases that disturb nothing share a worker and run side by side; the others run beside
 * them, one after another on a worker of their group.
 */
export function conformance(adapter: Adapter): void {
  describe.concurrent(`of ${adapter.name}`, () => {
    const shared = useBench(adapter, { slots: 64 })
    greeting(adapter)
    running(shared)
    ending(adapter, shared)
    slots(adapter)
    delivering(adapter)
    restarting(adapter)
  })
}
