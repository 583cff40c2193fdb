import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LeaseWatch } from './lease-watch.js'

describe('lease watch', () => {
  /** What the machine slept: the lease clock counts it, timers do not. */
  let sleptMs = 0
  const now = (): number => Date.now() + sleptMs
  const watches: LeaseWatch[] = []

  beforeEach(() => {
    sleptMs = 0
    vi.useFakeTimers({ now: 1_000_000 })
  })
  afterEach(() => {
    for (const watch of watches.splice(0)) watch.close()
    vi.useRealTimers()
  })

  function setUp() {
    const guardDeadlines: number[] = []
    const expiredAt: number[] = []
    const watch = new LeaseWatch({ onRenewed: (deadline) => guardDeadlines.push(deadline), onExpired: () => expiredAt.push(now()) }, now)
    watches.push(watch)
    return { watch, guardDeadlines, expiredAt }
  }

  it('acts by itself when the lease runs out, before its guard does', async () => {
    const { watch, guardDeadlines, expiredAt } = setUp()
    watch.renew(now(), 10_000)
    await vi.advanceTimersByTimeAsync(8_999)
    expect(expiredAt).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(expiredAt).toEqual([1_009_000])
    expect(guardDeadlines).toEqual([1_009_500])
    expect(watch.isExpired).toBe(true)
  })

  it('does nothing as long as the lease is renewed', async () => {
    const { watch, expiredAt } = setUp()
    for (let i = 0; i < 10; i++) {
      watch.renew(now(), 10_000)
      await vi.advanceTimersByTimeAsync(5_000)
    }
    expect(expiredAt).toEqual([])
  })

  it('notices within a second of waking up that the machine slept beyond the lease', async () => {
    const { watch, expiredAt } = setUp()
    watch.renew(now(), 30_000)
    await vi.advanceTimersByTimeAsync(500)
    sleptMs = 60_000
    await vi.advanceTimersByTimeAsync(1_000)
    expect(expiredAt).toHaveLength(1)
  })

  it('lets nothing survive by an answer that was waiting while the lease ran out', () => {
    const { watch, expiredAt } = setUp()
    watch.renew(now(), 10_000)
    const sentAt = now() + 8_000
    sleptMs = 20_000
    watch.renew(sentAt, 10_000)
    expect(expiredAt).not.toEqual([])
  })

  it('does not act once it is closed', async () => {
    const { watch, expiredAt } = setUp()
    watch.renew(now(), 10_000)
    watch.close()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(expiredAt).toEqual([])
  })
})
