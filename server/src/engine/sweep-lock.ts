import { Inject, Injectable } from '@nestjs/common'
import { CONFIG, type Config } from '../config/config.js'
import { RedisLock } from '../platform/redis-lock.js'
import { RedisConnections } from '../platform/redis.js'

const LOCK_MS = 5_000

/** Elects one server at a time for the sweeps over what waits and runs. Only avoids duplicate work; nothing depends on it for correctness. Without Redis every server sweeps. */
@Injectable()
export class SweepLock extends RedisLock {
  private ours = false

  constructor(@Inject(CONFIG) config: Config, redis: RedisConnections) {
    super(redis, config, 'sweep', LOCK_MS)
  }

  /** Whether this server was elected when it last asked. */
  get isOurs(): boolean {
    return this.ours
  }

  /** Takes or renews the lock; true when this server is to sweep. */
  async isElected(): Promise<boolean> {
    this.ours = (await this.take()) !== 'others'
    return this.ours
  }
}
