import { Inject, Injectable } from '@nestjs/common'
import { CONFIG, type Config } from '../config/config.js'
import { RedisLock } from '../platform/redis-lock.js'
import { RedisConnections } from '../platform/redis.js'

const LOCK_MS = 3_000

/** Lets one server at a time do the scheduling: that each scheduled time fires once rests on a unique index and on conditional updates. Without Redis each goes on. */
@Injectable()
export class SchedulerLock extends RedisLock {
  constructor(@Inject(CONFIG) config: Config, redis: RedisConnections) {
    super(redis, config, 'scheduler', LOCK_MS)
  }
}
