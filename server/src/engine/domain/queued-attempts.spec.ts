import { attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { groupQueued, MAX_GROUP, parseQueued, sharedJobs } from './queued-attempts.js'

const key = (n: number) => ({ instanceId: `01936e7a-0000-7000-8000-${String(n).padStart(12, '0')}`, task: 0, attempt: 1 })

describe('attempts that are queued at once', () => {
  it('are all in exactly one BullMQ job, with their like only, and no job holds many of them', () => {
    const attempts = fc.array(fc.record({ priority: fc.integer({ min: 0, max: 2 }), dueAt: fc.integer({ min: 0, max: 2 }) }), { maxLength: 3_000 })
    fc.assert(
      fc.property(attempts, (list) => {
        const groups = groupQueued(list)
        expect(new Set(groups.flat())).toEqual(new Set(list))
        expect(groups.flat()).toHaveLength(list.length)
        for (const group of groups) {
          expect(new Set(group.map(({ priority, dueAt }) => `${priority} ${dueAt}`)).size).toBe(1)
          expect(group.length).toBeLessThanOrEqual(Math.max(1, Math.min(MAX_GROUP, list.length / 40)))
        }
      }),
      { numRuns: 50 },
    )
  })

  it('have a job each when they are few', () => {
    expect(groupQueued(Array.from({ length: 50 }, () => ({ priority: 0, dueAt: 0 })))).toHaveLength(50)
    expect(groupQueued(Array.from({ length: 1_000 }, () => ({ priority: 0, dueAt: 0 })))).toHaveLength(40)
  })
})

describe('a BullMQ job', () => {
  it('that attempts share is named by the first of them and how many more; an attempt with a job of its own is not named', () => {
    const attempts = Array.from({ length: 81 }, (_, n) => ({ key: key(n), priority: 0, dueAt: 0 }))
    const shared = sharedJobs(attempts)
    expect(attempts.slice(0, 4).map((attempt) => shared.get(attempt))).toEqual([0, 0, 2, 2].map((first) => `${attemptKeyString(key(first))}+1`))
    expect(attempts.slice(80).map((attempt) => shared.get(attempt))).toEqual([undefined])
  })

  it('with other data than keys of attempts is not ours', () => {
    expect(parseQueued({ attempts: [attemptKeyString(key(1))] })).toEqual([key(1)])
    expect(parseQueued({ attempts: [attemptKeyString(key(1)), 'x'] })).toBeUndefined()
    expect(parseQueued({ attempts: [] })).toBeUndefined()
    expect(parseQueued(null)).toBeUndefined()
  })
})
