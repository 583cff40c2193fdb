import { describe, expect, it } from 'vitest'
import type { Clock } from '../../platform/clock.js'
import type { LoginFailures, LoginFailuresRepository } from './login-failures.repository.js'
import { LoginLimits, type Tries, triesOfDevice, triesOfName } from './login-limits.js'

/** Limits over a store in memory, with a clock that is set by hand. */
function setUp() {
  const clock = { at: 1_000_000 }
  const stored = new Map<string, LoginFailures & { expiresAt: number }>()
  const repository = {
    find: (keys: string[]) => Promise.resolve(keys.flatMap((key) => stored.get(key) ?? []).filter(({ expiresAt }) => expiresAt > clock.at)),
    add: (key: string, now: Date, windowMs: number) => {
      stored.set(key, { key, failures: (stored.get(key)?.failures ?? 0) + 1, lastAt: now, expiresAt: now.getTime() + windowMs })
      return Promise.resolve()
    },
    clear: (key: string) => Promise.resolve(stored.delete(key)),
  } as unknown as LoginFailuresRepository
  const limits = new LoginLimits(repository, { now: () => clock.at, date: () => new Date(clock.at) } as Clock)
  const fail = async (tries: Tries, count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await limits.failed(tries)
  }
  const waitOf = (tries: Tries): Promise<number> =>
    limits.check(tries).then(
      () => 0,
      (error: { details: { retryAfterMs: number } }) => error.details.retryAfterMs,
    )
  return { clock, limits, fail, waitOf }
}

const anna = triesOfName('anna', '203.0.113.1')

describe('wrong passwords', () => {
  it('wait longer and longer, but never more than a minute, and after the wait the next try counts', async () => {
    const { clock, fail, waitOf } = setUp()
    await fail(anna, 4)
    expect(await waitOf(anna)).toBe(0)
    await fail(anna, 1)
    expect(await waitOf(anna)).toBe(2_000)
    await fail(anna, 1)
    expect(await waitOf(anna)).toBe(4_000)
    await fail(anna, 90)
    expect(await waitOf(anna)).toBe(60_000)
    clock.at += 60_000
    expect(await waitOf(anna)).toBe(0)
  })

  it('of a stranger hold up neither the same user elsewhere nor on a device that is known', async () => {
    const { fail, waitOf } = setUp()
    // As many as the waits let one address make in its first quarter of an hour, and as many as it likes: then seconds after each of them.
    for (const [count, longest] of [
      [24, 0],
      [500, 3_000],
    ] as const) {
      await fail(anna, count)
      expect(await waitOf(triesOfName('Anna', '203.0.113.1'))).toBe(60_000)
      expect(await waitOf(triesOfName('anna', '203.0.113.2'))).toBe(longest)
      expect(await waitOf(triesOfDevice('phone'))).toBe(0)
    }
  })

  it('from one address make others there wait a second, not minutes, and known devices not at all', async () => {
    const { fail, waitOf } = setUp()
    for (let i = 0; i < 300; i++) await fail(triesOfName(`user-${i}`, '203.0.113.1'), 1)
    expect(await waitOf(anna)).toBe(1_000)
    expect(await waitOf(triesOfDevice('phone'))).toBe(0)
    expect(await waitOf(triesOfName('anna', '203.0.113.2'))).toBe(0)
  })

  it('from ever new addresses make the name wait a few seconds everywhere, but not on devices that are known', async () => {
    const { clock, fail, waitOf } = setUp()
    for (let i = 0; i < 29; i++) await fail(triesOfName('anna', `203.0.113.${i}`), 1)
    expect(await waitOf(triesOfName('anna', '198.51.100.1'))).toBe(0)
    await fail(triesOfName('anna', '203.0.113.200'), 1)
    expect(await waitOf(triesOfName('ANNA', '198.51.100.1'))).toBe(3_000)
    expect(await waitOf(triesOfName('berta', '198.51.100.1'))).toBe(0)
    expect(await waitOf(triesOfDevice('phone'))).toBe(0)
    clock.at += 3_000
    expect(await waitOf(triesOfName('anna', '198.51.100.1'))).toBe(0)
  })

  it('count together for all addresses of an IPv6 network of one subscriber', async () => {
    const { fail, waitOf } = setUp()
    await fail(triesOfName('anna', '2001:db8:1:2::1'), 3)
    await fail(triesOfName('anna', '2001:db8:1:2:ffff::9'), 3)
    expect(await waitOf(triesOfName('anna', '2001:0db8:0001:0002:3::4'))).toBe(4_000)
    expect(await waitOf(triesOfName('anna', '2001:db8:1:3::1'))).toBe(0)
  })

  it('on a known device make that device wait', async () => {
    const { fail, waitOf } = setUp()
    await fail(triesOfDevice('phone'), 6)
    expect(await waitOf(triesOfDevice('phone'))).toBe(4_000)
    expect(await waitOf(anna)).toBe(0)
  })

  it('are forgotten by the right one, and with time', async () => {
    const { clock, limits, fail, waitOf } = setUp()
    await fail(anna, 20)
    await limits.succeeded(anna)
    expect(await waitOf(anna)).toBe(0)
    await fail(anna, 20)
    clock.at += 15 * 60_000
    expect(await waitOf(anna)).toBe(0)
  })
})
