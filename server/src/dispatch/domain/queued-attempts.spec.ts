import { attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { groupQueued, jobIdOf, MAX_GROUP, parseQueued } from './queued-attempts.js'

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
  it('of one attempt is named by its key, of several by the first and how many more', () => {
    expect(jobIdOf([key(1)])).toBe(attemptKeyString(key(1)))
    expect(jobIdOf([key(1), key(2), key(3)])).toBe(`${attemptKeyString(key(1))}+2`)
  })

  it('with other data than keys of attempts is not ours', () => {
    expect(parseQueued({ attempts: [attemptKeyString(key(1))] })).toEqual([key(1)])
    expect(parseQueued({ attempts: [attemptKeyString(key(1)), 'x'] })).toBeUndefined()
    expect(parseQueued({ attempts: [] })).toBeUndefined()
    expect(parseQueued(null)).toBeUndefined()
  })
})
