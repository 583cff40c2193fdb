import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { planPermits } from './plan-permits.js'

const LONG_AGO = new Date(0)
const NOW = new Date(100_000)
const RENEW_BEFORE = new Date(90_000)
const permit = (slot: number, instanceId: string, { attempt = 1, since = NOW } = {}) => ({ _id: { job: 'job', slot }, instanceId, attempt, since })
const wish = (instanceId: string, maxConcurrent: number, { task = 0, attempt = 1 } = {}) => ({ key: { instanceId, task, attempt }, maxConcurrent })

describe('permits', () => {
  it('go to tasks in their order, and no more than there are', () => {
    const plan = planPermits([permit(1, 'x')], [wish('a', 3), wish('b', 3), wish('c', 3)], RENEW_BEFORE)
    expect(plan.granted).toBe(2)
    expect(plan.take.map(({ slot, wish: { key } }) => [slot, key.instanceId])).toEqual([
      [0, 'a'],
      [2, 'b'],
    ])
  })

  it('that a task holds already are its own, and renewed when they are old or of an earlier attempt', () => {
    expect(planPermits([permit(0, 'a')], [wish('a', 1)], RENEW_BEFORE)).toEqual({ granted: 1, renew: [], take: [] })
    for (const old of [permit(0, 'a', { since: LONG_AGO }), permit(0, 'a', { attempt: 0 }), { _id: { job: 'job', slot: 0 }, instanceId: 'a', since: NOW }])
      expect(planPermits([old], [wish('a', 1)], RENEW_BEFORE)).toEqual({ granted: 1, renew: [{ permit: old, attempt: 1 }], take: [] })
  })

  it('of one task are not those of another one of its instance', () => {
    const [own, other] = [permit(0, 'a'), { ...permit(1, 'a'), task: 1 }]
    expect(planPermits([own, other], [wish('a', 3, { task: 1 }), wish('a', 3, { task: 2 })], RENEW_BEFORE)).toEqual({
      granted: 2,
      renew: [],
      take: [{ slot: 2, wish: wish('a', 3, { task: 2 }) }],
    })
    expect(planPermits([own, other], [wish('a', 2), wish('a', 2, { task: 2 })], RENEW_BEFORE)).toEqual({ granted: 1, renew: [], take: [] })
  })

  it('above a limit that was lowered count too', () => {
    expect(planPermits([permit(4, 'x'), permit(5, 'y')], [wish('a', 2)], RENEW_BEFORE).granted).toBe(0)
  })

  it('are never more than the limit, and pass nobody over', () => {
    const slots = fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { maxLength: 8 })
    fc.assert(
      fc.property(slots, fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 10 }), (taken, limit, count) => {
        const permits = taken.map((slot) => permit(slot, `holder-${slot}`))
        const plan = planPermits(
          permits,
          Array.from({ length: count }, (_, i) => wish(`i-${i}`, limit)),
          RENEW_BEFORE,
        )
        expect(plan.granted).toBe(plan.take.length)
        expect(plan.granted).toBe(Math.min(count, Math.max(0, limit - taken.length)))
        expect(new Set([...taken, ...plan.take.map(({ slot }) => slot)]).size).toBe(taken.length + plan.granted)
        expect(plan.take.map(({ wish: { key } }) => key.instanceId)).toEqual(Array.from({ length: plan.granted }, (_, i) => `i-${i}`))
      }),
    )
  })
})
