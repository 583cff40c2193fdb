import { Injectable } from '@nestjs/common'
import type { Retention } from '@jobtrail/api/auth'
import { attemptKeysOf, EndedRuns } from '../engine/ended-runs.service.js'
import type { RunEnd } from '../engine/instance-document.js'
import { LogExpiry } from '../logs/log-expiry.service.js'
import { Clock } from '../platform/clock.js'
import { Metrics } from '../platform/metrics.js'
import { Mongo } from '../platform/mongo.js'
import { DAY_MS, dueOf } from './domain/due.js'

/** A log that was never sealed is kept so much longer: the worker that has the rest of it in its spool may come back. */
const UNSEALED_GRACE_MS = 7 * DAY_MS

/** IDs of runs of which something was removed, now or by another server at the same time. */
export type Removed = { runs: Set<string>; logs: Set<string> }

/**
 * Removes what is due of some runs. Logs go first, and each is said to be expired before its lines go; then a run goes with its attempts and what was known of its logs, in one
 * transaction. Doing it again, after a crash or on two servers at once, removes the same.
 */
@Injectable()
export class Removal {
  constructor(
    private readonly mongo: Mongo,
    private readonly runs: EndedRuns,
    private readonly logs: LogExpiry,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
  ) {}

  async removeDue(runs: readonly RunEnd[], retention: Retention): Promise<Removed> {
    const now = this.clock.now()
    const due = runs.filter((run) => dueOf(run, retention, now) !== 'nothing')
    const keys = due.flatMap((run) => attemptKeysOf(run))
    const unsealed = new Set((await this.logs.unsealedAmong(keys)).map(({ instanceId }) => instanceId))
    const whatIsDue = (run: RunEnd): ReturnType<typeof dueOf> => dueOf(run, retention, unsealed.has(run._id) ? now - UNSEALED_GRACE_MS : now)
    const logs = new Set(due.filter((run) => whatIsDue(run) !== 'nothing').map(({ _id }) => _id))
    await this.logs.expire(keys.filter(({ instanceId }) => logs.has(instanceId)))
    const old = due.filter((run) => whatIsDue(run) === 'run')
    return { runs: new Set(await this.removeRuns(old, new Date(now - (retention.runsDays ?? 0) * DAY_MS))), logs }
  }

  /** Removes runs that have ended, whatever they are: their namespace was removed. */
  async removeAll(runs: readonly RunEnd[]): Promise<void> {
    await this.logs.expire(runs.flatMap((run) => attemptKeysOf(run)))
    await this.removeRuns(runs, undefined)
  }

  /** All but those that began anew meanwhile. */
  private async removeRuns(runs: readonly RunEnd[], endedBefore: Date | undefined): Promise<string[]> {
    if (runs.length === 0) return []
    const gone = await this.mongo.transaction(async (session) => {
      const { ids, keys } = await this.runs.delete(runs, endedBefore, session)
      await this.logs.forget(keys, session)
      return ids
    })
    this.metrics.removedRuns.inc(gone.length)
    return gone
  }
}
