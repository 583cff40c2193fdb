import { Injectable } from '@nestjs/common'
import type { Response } from 'express'
import type { FollowQuery } from '@jobtrail/api/logs'
import { LiveRights } from '../../auth/live-rights.js'
import { Principal } from '../../rights/principal.js'
import { Metrics } from '../../platform/metrics.js'
import { LogReader } from '../log-reader.service.js'
import { parseEventId } from '../domain/sse.js'
import { FollowHub } from './follow-hub.js'
import { Follower } from './follower.js'

/** Live logs as Server-Sent Events. */
@Injectable()
export class FollowService {
  constructor(
    private readonly reader: LogReader,
    private readonly hub: FollowHub,
    private readonly rights: LiveRights,
    private readonly metrics: Metrics,
  ) {}

  /**
   * Sends lines as they are stored, until the log ends, the client leaves or loses the right to read it, or this server leaves. `lastEventId` (what a client saw before it lost its
   * connection, to any server) counts more than `from`, unless it is of another attempt than the one asked for.
   */
  async follow(principal: Principal, instanceId: string, query: FollowQuery, lastEventId: string | undefined, response: Response): Promise<void> {
    const { key, instance } = await this.reader.select(principal, instanceId, query)
    const isPinned = query.attempt !== undefined
    const seen = parseEventId(lastEventId)
    const isResuming = seen !== undefined && (isPinned ? seen.attempt === key.attempt : seen.attempt <= key.attempt)
    const start = isResuming ? { key: { ...key, attempt: seen.attempt }, from: seen.n + 1 } : { key, from: query.from }
    const right = this.rights.watch(principal, instance.namespace)
    this.metrics.followers.inc()
    try {
      await this.hub.gate.run(principal.key, () => new Follower(this.hub, response, isPinned, right.signal).run(start.key, start.from))
    } finally {
      right.release()
      this.metrics.followers.dec()
    }
  }
}
