import { clockFaults } from './clocks.js'
import type { FaultKind } from './fault.js'
import { linkFaults } from './links.js'
import { allServersKill, rollingFormer, serverFormer, serverFreeze, serverFreezeLong, serverKill } from './servers.js'
import { mongodFreeze, mongodKill, primaryStepDown, redisEmpty, redisFreeze, redisKill } from './stores.js'
import { diskFull, tokenRevoke, workerFormer, workerFreeze, workerFreezeLong, workerKill, workerRestart } from './workers.js'

export const FAULTS: readonly FaultKind[] = [
  ...[serverKill, allServersKill, serverFreeze, serverFreezeLong, serverFormer, rollingFormer],
  ...[workerKill, workerRestart, workerFreeze, workerFreezeLong, diskFull, tokenRevoke, workerFormer],
  ...[mongodKill, mongodFreeze, primaryStepDown, redisKill, redisFreeze, redisEmpty],
  ...linkFaults,
  ...clockFaults,
]
