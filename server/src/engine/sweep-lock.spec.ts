import { expect, test } from 'vitest'
import { parseConfig } from '../config/config.js'
import type { RedisConnections } from '../platform/redis.js'
import { RedisKeys } from '../platform/redis-keys.js'
import { SweepLock } from './sweep-lock.js'

/** A Redis that answers the scripts of the lock as the real one does; time stands still. */
function redisInMemory(): { redis: RedisConnections; state: { holder?: string | undefined; isAway: boolean } } {
  const state: { holder?: string | undefined; isAway: boolean } = { isAway: false }
  const evaluate = async (script: string, _keys: number, _key: string, token: string): Promise<number> => {
    if (state.isAway) throw new Error('Connection is closed.')
    if (state.holder !== undefined && state.holder !== token) return 0
    state.holder = script.includes('DEL') ? undefined : token
    return 1
  }
  return { redis: { keys: new RedisKeys('test'), commands: { eval: evaluate } } as unknown as RedisConnections, state }
}

test('one server at a time is elected, and another one as soon as it gives up the lock', async () => {
  const { redis } = redisInMemory()
  const [first, second] = [new SweepLock(parseConfig({}), redis), new SweepLock(parseConfig({}), redis)]
  expect([await first.isElected(), await second.isElected(), await first.isElected()]).toEqual([true, false, true])
  expect([first.isOurs, second.isOurs]).toEqual([true, false])
  await second.release()
  expect(await second.isElected()).toBe(false)
  await first.release()
  expect([await second.isElected(), await first.isElected()]).toEqual([true, false])
  expect([first.isOurs, second.isOurs]).toEqual([false, true])
})

test('without Redis every server sweeps', async () => {
  const { redis, state } = redisInMemory()
  const [first, second] = [new SweepLock(parseConfig({}), redis), new SweepLock(parseConfig({}), redis)]
  await first.isElected()
  state.isAway = true
  expect([await first.isElected(), await second.isElected()]).toEqual([true, true])
})
