import { Bench } from './bench.js'
import { delivering } from './suite/delivering.js'
import { ending } from './suite/ending.js'
import { restarting } from './suite/restarting.js'
import { running } from './suite/running.js'
import { slots } from './suite/slots.js'
import type { Adapter } from './worker-under-test.js'

/** What every worker has to do, whatever it is written in, as tests of the surrounding `describe`. docs/protocol.md says why. */
export function conformance(adapter: Adapter): void {
  const bench = new Bench(adapter)
  for (const part of [running, ending, slots, delivering, restarting]) part(bench)
}
