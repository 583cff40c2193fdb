import { Injectable } from '@nestjs/common'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { InstancesRepository } from './instances.repository.js'
import { Logger } from '../platform/logging.js'
import { AttemptQueue } from './attempt-queue.js'

const PAGE = 1_000
/** What is left is found again by the next stale job that comes. */
const MAX_PAGES = 20
const LOOKED_UP_AT_ONCE = 5_000

/** Removes BullMQ jobs of a route whose attempts no longer wait, such as those of thousands of cancelled runs, without a slot and a round trip for each. */
@Injectable()
export class StaleJobs {
  constructor(
    private readonly queue: AttemptQueue,
    private readonly instances: InstancesRepository,
    private readonly logger: Logger,
  ) {}

  /** From the head of the queue on, as long as most are stale. Never rejects. */
  async drop(route: string): Promise<void> {
    let dropped = 0
    try {
      for (let page = 0, kept = 0; page < MAX_PAGES; page++) {
        const jobs = await this.queue.waitingJobs(route, kept, PAGE)
        const isWaiting = await this.waitingAmong(jobs.flatMap(({ attempts }) => attempts))
        const stale = jobs.filter(({ attempts }) => !attempts.some(isWaiting)).map(({ id }) => id)
        await this.queue.remove(route, stale)
        dropped += stale.length
        kept += jobs.length - stale.length
        if (stale.length < PAGE / 2) break
      }
    } catch (err) {
      this.logger.warn('Could not remove stale BullMQ jobs; they are taken one by one', { route, err })
    }
    if (dropped > 0) this.logger.info('Removed stale BullMQ jobs', { route, count: dropped })
  }

  private async waitingAmong(attempts: readonly AttemptKey[]): Promise<(key: AttemptKey) => boolean> {
    const ids = [...new Set(attempts.map(({ instanceId }) => instanceId))]
    const waiting = new Map<string, number>()
    for (let from = 0; from < ids.length; from += LOOKED_UP_AT_ONCE) {
      const found = await this.instances.findWaiting(ids.slice(from, from + LOOKED_UP_AT_ONCE))
      for (const [id, attempt] of found) waiting.set(id, attempt)
    }
    return ({ instanceId, attempt }) => waiting.get(instanceId) === attempt - 1
  }
}
