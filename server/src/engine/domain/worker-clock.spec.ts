import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { correctSpan, correctStart, WorkerClock } from './worker-clock.js'

const MINUTES = 60_000

describe("a worker's clock", () => {
  it('is known from the message that took the least time, and anew after it was set', () => {
    const clock = new WorkerClock()
    expect(clock.offset).toBeUndefined()
    for (const delay of [900, 20, 400]) clock.sample(1_000_000, 1_000_000 + 5 * MINUTES + delay)
    expect(clock.offset).toBe(5 * MINUTES + 20)
    for (let i = 0; i < 8; i++) clock.sample(2_000_000, 2_000_010)
    expect(clock.offset).toBe(10)
  })

  it('that is wrong by minutes gives right times and durations once its offset is known', () => {
    const [dispatched, now] = [10 * MINUTES, 20 * MINUTES]
    for (const wrong of [5 * MINUTES, -5 * MINUTES]) {
      const span = { startedAt: 12 * MINUTES + wrong, finishedAt: 13 * MINUTES + wrong }
      expect(correctSpan(span, -wrong, dispatched, now)).toEqual({ startedAt: 12 * MINUTES, finishedAt: 13 * MINUTES })
      expect(correctStart(span.startedAt, -wrong, dispatched, now)).toBe(12 * MINUTES)
    }
  })

  it('of unknown offset gives times between dispatch and now, and keeps the duration', () => {
    const [dispatched, now] = [10 * MINUTES, 20 * MINUTES]
    expect(correctSpan({ startedAt: 5 * MINUTES, finishedAt: 6 * MINUTES }, 0, dispatched, now)).toEqual({ startedAt: dispatched, finishedAt: 11 * MINUTES })
    expect(correctSpan({ startedAt: 24 * MINUTES, finishedAt: 25 * MINUTES }, 0, dispatched, now)).toEqual({ startedAt: 19 * MINUTES, finishedAt: now })
  })

  it('never makes an end before its start, nor either before the dispatch or in the future', () => {
    const time = fc.integer({ min: 0, max: 1_000_000 })
    fc.assert(
      fc.property(fc.option(time), time, fc.integer({ min: -500_000, max: 500_000 }), time, time, (startedAt, finishedAt, offset, earliest, later) => {
        const now = earliest + later
        const span = correctSpan({ startedAt, finishedAt }, offset, earliest, now)
        expect(span.finishedAt).toBeGreaterThanOrEqual(earliest)
        expect(span.finishedAt).toBeLessThanOrEqual(now)
        expect(span.startedAt === null).toBe(startedAt === null)
        if (startedAt === null) return
        expect(span.startedAt).toBeGreaterThanOrEqual(earliest)
        expect(span.startedAt).toBeLessThanOrEqual(span.finishedAt)
        if (finishedAt >= startedAt && finishedAt - startedAt <= later) expect(span.finishedAt - (span.startedAt ?? 0)).toBe(finishedAt - startedAt)
      }),
    )
  })
})
