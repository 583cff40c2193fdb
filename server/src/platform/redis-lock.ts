import { randomUUID } from 'node:crypto'
import type { Config } from '../config/config.js'
import type { RedisConnections } from './redis.js'
import { withTimeout } from './timeout.js'

/** A Redis that hangs must not hold up whoever asks. */
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

/** Lets one server at a time do a work. It only saves doing it twice: correctness never rests on it. */
export abstract class RedisLock {
  private readonly key: string
  private readonly token: string

  /** `lockMs`: how long a server that died holds it. */
  protected constructor(
    private readonly redis: RedisConnections,
    { serverId }: Config,
    name: string,
    private readonly lockMs: number,
  ) {
    this.key = redis.keys.lock(name)
    this.token = `${serverId} ${randomUUID()}`
  }

  /** `away`: Redis does not answer, so that nobody can hold it. RedisConnections logs why. */
  async take(): Promise<'ours' | 'others' | 'away'> {
    try {
      const taken = await withTimeout(this.redis.commands.eval(TAKE, 1, this.key, this.token, this.lockMs), ANSWER_MS, 'Redis did not answer in time')
      return taken === 1 ? 'ours' : 'others'
    } catch {
      return 'away'
    }
  }

  /** So that another server goes on at once instead of after the lock has run out. */
  async release(): Promise<void> {
    await withTimeout(this.redis.commands.eval(RELEASE, 1, this.key, this.token), ANSWER_MS, 'Redis did not answer in time')
  }
}
