import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Lease, leaseMarginMs } from './lease.js'

describe('lease', () => {
  it('leaves a margin of a tenth, at least 500 ms, at most half', () => {
    expect(leaseMarginMs(30_000)).toBe(3_000)
    expect(leaseMarginMs(3_000)).toBe(500)
    expect(leaseMarginMs(400)).toBe(200)
  })

  it('is measured from when the acknowledged message was sent', () => {
    let now = 1_000
    const lease = new Lease(() => now)
    expect(lease.isExpired).toBe(false)
    now = 9_000
    lease.renew(1_000, 10_000)
    expect(lease.deadline).toBe(10_000)
    now = 9_999
    expect(lease.isExpired).toBe(false)
    now = 10_000
    expect(lease.isExpired).toBe(true)
  })

  it('is not shortened by an answer that comes late', () => {
    const lease = new Lease(() => 0)
    lease.renew(2_000, 10_000)
    lease.renew(1_000, 10_000)
    expect(lease.deadline).toBe(11_000)
  })

  it('keeps its length when a heartbeat renews it', () => {
    const lease = new Lease(() => 0)
    lease.renew(0, 10_000)
    lease.renew(5_000)
    expect(lease.deadline).toBe(14_000)
  })

  it('always ends before the server counts it as over, the worker first, then the guard', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), fc.integer({ min: 10, max: 1e7 }), (sentAt, leaseMs) => {
        const lease = new Lease(() => sentAt)
        lease.renew(sentAt, leaseMs)
        const worker = lease.deadline ?? Infinity
        const guard = lease.guardDeadline ?? Infinity
        expect(worker).toBeLessThan(guard)
        expect(guard).toBeLessThan(sentAt + leaseMs)
        expect(worker).toBeGreaterThanOrEqual(sentAt + leaseMs / 2)
      }),
    )
  })
})
