import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common'
import { Logger } from './logging.js'
import { Mongo } from './mongo.js'
import { withTimeout } from './timeout.js'

const SYNC_EVERY_MS = 10_000

/**
 * The cluster's time: that of the MongoDB primary, so that leases and fire times mean the same on every server, and a wall clock that jumps on one machine
 * changes nothing. Between measurements it runs on the monotonic clock. Behind mongos it is the router's time: deploy/scaling.md asks for routers that agree.
 */
@Injectable()
export class Clock implements OnModuleInit, OnApplicationShutdown {
  private offset = Date.now() - performance.now()
  private timer: NodeJS.Timeout | undefined

  constructor(
    private readonly mongo: Mongo,
    private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.sync()
    this.timer = setInterval(() => {
      this.sync().catch((err: unknown) => this.logger.warn('Could not read the time of MongoDB', { err }))
    }, SYNC_EVERY_MS)
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer)
  }

  /** Milliseconds since the epoch. */
  now(): number {
    return Math.round(performance.now() + this.offset)
  }

  date(): Date {
    return new Date(this.now())
  }

  private async sync(): Promise<void> {
    const before = performance.now()
    const { localTime } = (await withTimeout(this.mongo.db.admin().command({ hello: 1 }), 2_000, 'MongoDB did not tell its time')) as { localTime: Date }
    const after = performance.now()
    // A slow answer says little about when the time was taken.
    if (after - before < 250) this.offset = localTime.getTime() + 0.5 - (before + after) / 2
  }
}
