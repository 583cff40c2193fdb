import { describe, expect, it } from 'vitest'
import type { StripRun } from '@jobtrail/api/instances'
import { barAfterKey, barsOf } from './run-strip'

const run = (id: string, status: StripRun['status'], tookMs: number | null): StripRun => ({
  id,
  status,
  createdAt: '2026-11-20T00:00:00.000Z',
  dueAt: '2026-11-20T00:00:00.000Z',
  startedAt: tookMs === null ? null : '2026-11-20T00:00:00.000Z',
  finishedAt: tookMs === null || status === 'RUNNING' ? null : new Date(Date.parse('2026-11-20T00:00:00.000Z') + tookMs).toISOString(),
})

describe('the strip of a job', () => {
  it('goes from the oldest to the newest, the longest highest', () => {
    const bars = barsOf([run('c', 'FAILED', 60_000), run('b', 'SUCCEEDED', 1_000), run('a', 'CANCELLED', null)], 0)
    expect(bars.map(({ id }) => id)).toEqual(['a', 'b', 'c'])
    expect(bars.map(({ height }) => height)).toEqual([0.3, 0.4, 1])
  })

  it('of runs that took about the same is even', () => {
    expect(new Set(barsOf([run('b', 'SUCCEEDED', 1_000), run('a', 'SUCCEEDED', 1_100)], 0).map(({ height }) => height)).size).toBe(1)
  })

  it('counts a running one up to now', () => {
    expect(barsOf([run('a', 'RUNNING', 0)], Date.parse('2026-11-20T00:00:05.000Z'))[0]?.durationMs).toBe(5_000)
  })
})

describe('the keys of a strip', () => {
  it.each([
    ['ArrowLeft', 5, 4],
    ['ArrowLeft', 0, 0],
    ['ArrowRight', 5, 6],
    ['ArrowRight', 29, 29],
    ['Home', 5, 0],
    ['End', 5, 29],
    ['Enter', 5, undefined],
  ])('%s at %i leads to %s', (key, at, next) => {
    expect(barAfterKey(key, at, 30)).toBe(next)
  })
})
