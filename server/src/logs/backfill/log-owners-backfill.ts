import { Injectable, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common'
import { isCheckedLog } from '@jobtrail/protocol/domain/statuses'
import { Logger } from '../../platform/logging.js'
import { mapBounded } from '../../platform/map-bounded.js'
import { Shutdown } from '../../platform/shutdown.js'
import type { LineTimes } from '../domain/stream-totals.js'
import { LogOwners } from '../log-owners.service.js'
import type { LogRef } from '../log-ref.js'
import { LogStore } from '../log-store.js'
import { type Completed, type IncompleteRecord, LogStreamsRepository } from '../log-streams.repository.js'
import { OlderServers } from '../ports/older-servers.js'
import { LogBackfillLock } from './log-backfill-lock.js'
import { type BackfillProgress, LogBackfillRepository } from './log-backfill.repository.js'

const LOOK_EVERY_MS = 5_000
/** So much at a time, then a pause of the same length: the walk takes at most half of one server's time. */
const WORK_MS = 500
const PAGE = 250
const LOOK_UPS_AT_A_TIME = 8
const LOG_EVERY_PAGES = 100
const LAST_LINE = Number.MAX_SAFE_INTEGER - 1

/**
 * Completes the records of logs that servers of former versions wrote: whose the log is, and when its lines were written. Walks over all records once, when no such server is
 * left: until then new ones may come anywhere. If one comes back, the walk begins anew. Bounded steps, each of which may be repeated; a crash costs the last one.
 */
@Injectable()
export class LogOwnersBackfill implements OnModuleInit, OnApplicationBootstrap {
  private timer: NodeJS.Timeout | undefined
  private current = Promise.resolve()
  private isStopped = false
  private pages = 0
  private completed = 0

  constructor(
    private readonly others: OlderServers,
    private readonly progress: LogBackfillRepository,
    private readonly records: LogStreamsRepository,
    private readonly owners: LogOwners,
    private readonly store: LogStore,
    private readonly lock: LogBackfillLock,
    private readonly logger: Logger,
    private readonly shutdown: Shutdown,
  ) {}

  onModuleInit(): void {
    this.shutdown.register('take', 'log backfill', async () => {
      this.isStopped = true
      clearTimeout(this.timer)
      await this.current
    })
  }

  onApplicationBootstrap(): void {
    this.schedule(LOOK_EVERY_MS)
  }

  private schedule(inMs: number): void {
    if (this.isStopped) return
    this.timer = setTimeout(
      () => {
        this.current = this.run()
      },
      inMs * (0.75 + Math.random() / 2),
    )
  }

  /** Never rejects. */
  private async run(): Promise<void> {
    let isMore = false
    try {
      const endAt = performance.now() + WORK_MS
      do isMore = await this.step()
      while (isMore && !this.isStopped && performance.now() < endAt)
    } catch (err) {
      isMore = false
      this.logger.warn('Completing older records of logs was cut short; it goes on later', { err })
    }
    this.schedule(isMore ? WORK_MS : LOOK_EVERY_MS)
  }

  /** The next page; true when there is more. */
  async step(): Promise<boolean> {
    if (await this.others.areThere()) {
      await this.progress.restart()
      return false
    }
    const progress = await this.progress.find()
    if (progress.doneAt !== null || (await this.lock.take()) !== 'ours') return false
    const page = await this.records.pageAfter(progress.after, PAGE)
    await this.complete(page)
    return this.advance(progress, page)
  }

  private async advance(progress: BackfillProgress, page: readonly IncompleteRecord[]): Promise<boolean> {
    const isMore = page.length === PAGE
    await this.progress.advance(progress, { after: page.at(-1)?.id ?? progress.after, doneAt: isMore ? null : new Date() })
    this.pages++
    if (!isMore) this.logger.info('All records of logs say whose they are', { completed: this.completed })
    else if (this.pages % LOG_EVERY_PAGES === 0)
      this.logger.info('Completing older records of logs', { looked: this.pages * PAGE, completed: this.completed, at: page.at(-1)?.key.instanceId })
    return isMore
  }

  private async complete(page: readonly IncompleteRecord[]): Promise<void> {
    const incomplete = page.filter((record) => record.owner === undefined || lacksTimes(record))
    const refs = await this.owners.refsOf(incomplete)
    const found = await mapBounded(incomplete, LOOK_UPS_AT_A_TIME, async (record, i): Promise<Completed[]> => {
      const ref = refs[i]
      // Its run was removed, and nobody can ask for it any more.
      if (ref === undefined) return []
      return [{ ref, times: lacksTimes(record) ? await this.timesOf(ref) : {} }]
    })
    const completed = found.flat()
    await this.records.complete(completed)
    this.completed += completed.length
  }

  private async timesOf(ref: LogRef): Promise<LineTimes> {
    const [first, last] = await Promise.all([this.store.positionAt(ref, 0), this.store.positionAt(ref, LAST_LINE)])
    return first === undefined || last === undefined ? {} : { firstAt: first.firstAt, lastAt: last.lastAt }
  }
}

/** Of an expired log nobody knows them any more. */
const lacksTimes = ({ state, lines, hasTimes }: IncompleteRecord): boolean => isCheckedLog(state) && lines > 0 && !hasTimes
