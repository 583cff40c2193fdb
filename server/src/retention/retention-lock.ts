import { Inject, Injectable } from '@nestjs/common'
import { CONFIG, type Config } from '../config/config.js'
import { RedisLock } from '../platform/redis-lock.js'
import { RedisConnections } from '../platform/redis.js'

const SHORTEST_MS = 10_000

/** Lets one server at a time remove what is due. It is kept until the next sweep, so that there is one at a time in the whole cluster, not one on each server. */
@Injectable()
export class RetentionLock extends RedisLock {
  constructor(@Inject(CONFIG) config: Config, redis: RedisConnections) {
    super(redis, config, 'retention', Math.max(SHORTEST_MS, config.retentionSweepMs))
  }
}

/** As {@link RetentionLock}, for what was in removed namespaces. A server that died holds it this long. */
@Injectable()
export class NamespaceRemovalLock extends RedisLock {
  constructor(@Inject(CONFIG) config: Config, redis: RedisConnections) {
    super(redis, config, 'namespace-removal', 4_000)
  }
}
