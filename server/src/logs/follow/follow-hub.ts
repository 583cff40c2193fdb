import { Injectable, type OnModuleInit } from '@nestjs/common'
import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { AppError } from '@jobtrail/protocol/domain/errors'
import { InstancesService } from '../../engine/instances.service.js'
import { Logger } from '../../platform/logging.js'
import { Shutdown } from '../../platform/shutdown.js'
import { SignalBus } from '../../platform/signals.js'
import { LogStore } from '../log-store.js'
import { LogStreamsService } from '../log-streams.service.js'
import { UserGate } from '../../platform/user-gate.js'
import type { WindowBudget } from './block-window.js'
import { StreamFeed } from './stream-feed.js'

/** Memory for what followers share, over all streams. */
const ALL_WINDOWS_BYTES = 48 * 1024 * 1024
const RETRY_AFTER_MS = 500

type Shared = { feed: StreamFeed; opened: Promise<void>; users: number }

/** The feeds of this server: one for each stream that somebody follows. */
@Injectable()
export class FollowHub implements OnModuleInit {
  private readonly feeds = new Map<string, Shared>()
  private readonly budget: WindowBudget = { bytes: 0, limit: ALL_WINDOWS_BYTES }
  private isClosed = false
  /** Passed by each follower, over SSE or a socket: nobody waits there, since a place may never become free. */
  readonly gate = new UserGate({ what: 'followed logs', running: 5_000, runningPerUser: 100, waiting: 0, waitingPerUser: 0, waitMs: 0 })

  constructor(
    private readonly store: LogStore,
    private readonly streams: LogStreamsService,
    private readonly instances: InstancesService,
    private readonly signals: SignalBus,
    private readonly logger: Logger,
    private readonly shutdown: Shutdown,
  ) {}

  onModuleInit(): void {
    this.signals.on('log', ({ instanceId }) => {
      for (const { feed } of this.feeds.values()) if (feed.key.instanceId === instanceId) feed.signal()
    })
    // Followers connect again, to another server, and go on where they were.
    this.shutdown.register('handOver', 'log followers', () => this.close())
  }

  /** Calls `use` with the stream's feed, which is shared with whoever follows it at the same time. */
  async withFeed<T>(key: AttemptKey, use: (feed: StreamFeed) => Promise<T>): Promise<T> {
    const shared = this.acquire(key)
    try {
      await shared.opened
      return await use(shared.feed)
    } finally {
      this.release(key, shared)
    }
  }

  noteFailure(key: AttemptKey, err: unknown): void {
    this.logger.error('A followed log could not be read on', { stream: attemptKeyString(key), err })
  }

  private acquire(key: AttemptKey): Shared {
    if (this.isClosed) throw new AppError('UNAVAILABLE', 'This server is leaving: connect again', { retryAfterMs: RETRY_AFTER_MS })
    const id = attemptKeyString(key)
    let shared = this.feeds.get(id)
    if (shared === undefined) {
      const feed = new StreamFeed(key, { store: this.store, streams: this.streams, instances: this.instances, logger: this.logger, budget: this.budget })
      shared = { feed, opened: feed.open(), users: 0 }
      this.feeds.set(id, shared)
    } else shared.feed.refresh()
    shared.users++
    return shared
  }

  private release(key: AttemptKey, shared: Shared): void {
    shared.users--
    if (shared.users > 0) return
    shared.feed.close()
    const id = attemptKeyString(key)
    if (this.feeds.get(id) === shared) this.feeds.delete(id)
  }

  private close(): void {
    this.isClosed = true
    for (const { feed } of this.feeds.values()) feed.close()
  }
}
