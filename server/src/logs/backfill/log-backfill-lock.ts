import { Inject, Injectable } from '@nestjs/common'
import { CONFIG, type Config } from '../../config/config.js'
import { RedisLock } from '../../platform/redis-lock.js'
import { RedisConnections } from '../../platform/redis.js'

/** A server that died holds it this long. */
const LOCK_MS = 20_000

/** Elects one server at a time for the backfill. Only avoids duplicate work. */
@Injectable()
export class LogBackfillLock extends RedisLock {
  constructor(@Inject(CONFIG) config: Config, redis: RedisConnections) {
    super(redis, config, 'log-backfill', LOCK_MS)
  }
}
