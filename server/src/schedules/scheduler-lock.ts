import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { CONFIG, type Config } from '../config/config.js'
import { RedisConnections } from '../platform/redis.js'
import { withTimeout } from '../platform/timeout.js'

const LOCK_MS = 3_000
/** A Redis that hangs must not make fire times late. */
const ANSWER_MS = 300

/**
 * Takes the lock, or renews it when it is ours.
 * KEYS[1] the lock · ARGV[1] our token · ARGV[2] how long it lasts, in ms
 * Returns 1 when it is ours, 0 when it is another's.
 */
const TAKE = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

/**
 * Gives the lock up, if it is ours.
 * KEYS[1] the lock · ARGV[1] our token
 * Returns the number of locks given up.
 */
const RELEASE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`

/**
 * Lets one server at a time do the scheduling. It only saves work: that each scheduled time fires once rests on a unique index and on conditional updates.
 */
@Injectable()
export class SchedulerLock {
  private readonly key: string
  private readonly token: string

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly redis: RedisConnections,
  ) {
    this.key = `${config.keyPrefix}:scheduler-lock`
    this.token = `${config.serverId} ${randomUUID()}`
  }

  /** `away`: Redis does not answer, so that nobody can hold it. */
  async take(): Promise<'ours' | 'others' | 'away'> {
    try {
      const taken = await withTimeout(this.redis.commands.eval(TAKE, 1, this.key, this.token, LOCK_MS), ANSWER_MS, 'Redis did not answer in time')
      return taken === 1 ? 'ours' : 'others'
    } catch {
      // Whatever it is that Redis suffers from, fire times go on without it; RedisConnections logs that it is away.
      return 'away'
    }
  }

  /** So that another server goes on at once instead of after the lock has run out. */
  async release(): Promise<void> {
    await withTimeout(this.redis.commands.eval(RELEASE, 1, this.key, this.token), ANSWER_MS, 'Redis did not answer in time')
  }
}
