import { Injectable } from '@nestjs/common'
import type { ClientSession } from 'mongodb'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { isCheckedLog, isClosedLog } from '@jobtrail/protocol/domain/statuses'
import { Clock } from '../platform/clock.js'
import { Metrics } from '../platform/metrics.js'
import { mapBounded } from '../platform/map-bounded.js'
import { LogStore } from './log-store.js'
import { LogStreamsRepository, type StreamRecord } from './log-streams.repository.js'
import { LogStreamsService } from './log-streams.service.js'

const STREAMS_AT_A_TIME = 8

/** Removes logs whose time is over. What a log had stays known until its run is removed too. */
@Injectable()
export class LogExpiry {
  constructor(
    private readonly store: LogStore,
    private readonly repository: LogStreamsRepository,
    private readonly streams: LogStreamsService,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
  ) {}

  /** Those of the streams that a worker may still deliver lines of. */
  async unsealedAmong(keys: readonly AttemptKey[]): Promise<AttemptKey[]> {
    const records = await this.repository.findMany(keys)
    return keys.filter((_, i) => !isClosed(records[i]))
  }

  /**
   * Removes the lines of these streams. First each stream is said to be expired, for good; then the chunks go. So a crash between the two leaves nothing that is half shown,
   * and whoever does it again removes the rest. A stream that was never sealed expires even when none of its lines can be read: some may be stored beyond a gap, and its worker
   * has to hear that it may forget the others. One that is complete without a line stays as it is: nothing of it is removed.
   */
  async expire(keys: readonly AttemptKey[]): Promise<void> {
    const records = await this.repository.findMany(keys)
    const at = this.clock.date()
    const unsealed = keys.filter((_, i) => !isClosed(records[i]))
    const stored = await mapBounded(unsealed, STREAMS_AT_A_TIME, async (key) => ({ key, totals: await this.streams.stored(key) }))
    if (stored.length > 0) await this.repository.expireUnsealed(stored, at)
    // All of them: one of the others may have been sealed meanwhile.
    await this.repository.expireSealed(keys, at)
    await this.store.drop(keys.filter((_, i) => !isEmpty(records[i])))
    const sealed = records.flatMap((record) => (record !== undefined && isCheckedLog(record.state) && record.totals !== undefined ? [record.totals] : []))
    for (const totals of [...sealed, ...stored.map((each) => each.totals)]) {
      if (totals.lines === 0) continue
      this.metrics.expiredLogs.inc()
      this.metrics.expiredLines.inc(totals.lines)
      this.metrics.expiredBytes.inc(totals.bytes)
    }
  }

  /** In the transaction that removes the instances: nothing is known of their logs any more. */
  forget(keys: readonly AttemptKey[], session: ClientSession): Promise<void> {
    return this.repository.delete(keys, session)
  }
}

const isEmpty = (record: StreamRecord | undefined): boolean => record !== undefined && isCheckedLog(record.state) && record.totals?.lines === 0
const isClosed = (record: StreamRecord | undefined): boolean => record !== undefined && isClosedLog(record.state)
