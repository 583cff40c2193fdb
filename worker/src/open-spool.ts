import { join } from 'node:path'
import { type AttemptKey, parseAttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { releaseReserve } from './disk-watch.js'
import type { Reaper } from './guard/reaper.js'
import { holdSpool, type SpoolHold } from './identity.js'
import { isDiskFault } from './log/disk-fault.js'
import { Outbox } from './outbox.js'
import { killLeftovers } from './run/attempt-folder.js'
import { type JobUser, openTheWay } from './run/job-user.js'
import type { WorkerLogger } from './sdk-types.js'

/** How long a start waits for what a killed predecessor left running. */
const LEFTOVERS_TIMEOUT_MS = 60_000

/** Takes the folder. A start needs little room; on a full disk the reserve has it. */
export async function holdOnFullDisk(dir: string, onLost: () => void): Promise<SpoolHold> {
  try {
    return await holdSpool(dir, onLost)
  } catch (error) {
    if (!(error instanceof Error) || !isDiskFault(error.cause)) throw error
    releaseReserve(dir)
    return await holdSpool(dir, onLost)
  }
}

/** What a killed predecessor left: ends to be delivered, and attempts that it had begun and not ended. */
export interface Inheritance {
  readonly outbox: Outbox
  readonly begun: readonly AttemptKey[]
}

/** Ends and clears what a killed predecessor left in the folder, and opens what it left to be delivered. */
export async function takeOver(dir: string, hold: SpoolHold, reaper: Reaper, user: JobUser | undefined, log: WorkerLogger): Promise<Inheritance> {
  const runsDir = join(dir, 'runs')
  if (user !== undefined) openTheWay(user, dir, runsDir)
  if (hold.isCopy) log.warn('this spool folder was copied or moved; what its former place left running is not ended')
  const { keys, left, kept } = hold.isCopy ? { keys: [], left: [], kept: [] } : await killLeftovers(runsDir, reaper, LEFTOVERS_TIMEOUT_MS, user)
  if (keys.length > 0) log.warn({ attempts: keys }, 'cleared attempts that a former process of this worker left')
  if (kept.length > 0) log.warn({ kept }, 'folders of attempts of a former process of this worker cannot be removed')
  if (left.length > 0) log.error({ left }, 'processes of a former process of this worker cannot be ended; their attempts will be made again beside them')
  const outbox = Outbox.open(join(dir, 'outbox.jsonl'))
  if (outbox.badLines > 0) log.warn({ lines: outbox.badLines }, 'the outbox file held lines that cannot be read')
  if (outbox.length > 0) log.info({ ends: outbox.length }, 'ends of a former process of this worker will be delivered')
  const begun = keys.filter((key) => !outbox.has(key)).flatMap((key) => parseAttemptKey(key) ?? [])
  return { outbox, begun }
}
