import { describe, expect, test } from 'vitest'
import { DAY_MS, dueOf, firstUpTo, isToRevisit } from './due.js'

const NOW = 1_000 * DAY_MS
const endedDaysAgo = (days: number) => ({ status: 'FAILED' as const, finishedAt: new Date(NOW - days * DAY_MS) })

describe('what is due of a run', () => {
  test('first its logs, then all of it', () => {
    const retention = { runsDays: 90, logsDays: 30 }
    expect([29, 30, 31, 90, 91].map((days) => dueOf(endedDaysAgo(days), retention, NOW))).toEqual(['nothing', 'nothing', 'logs', 'logs', 'run'])
  })

  test('nothing of what is kept for ever', () => {
    expect(dueOf(endedDaysAgo(999), { runsDays: null, logsDays: null }, NOW)).toBe('nothing')
    expect(dueOf(endedDaysAgo(999), { runsDays: null, logsDays: 1 }, NOW)).toBe('logs')
    expect(dueOf(endedDaysAgo(999), { runsDays: 1, logsDays: null }, NOW)).toBe('run')
  })

  test('nothing of what has not ended, however old', () => {
    expect(dueOf({ status: 'RUNNING', finishedAt: null }, { runsDays: 1, logsDays: 1 }, NOW)).toBe('nothing')
    expect(dueOf({ status: 'WAITING', finishedAt: new Date(0) }, { runsDays: 1, logsDays: 1 }, NOW)).toBe('nothing')
  })
})

describe('what is left is looked at again', () => {
  test('until a walk that is yet to come takes care of it', () => {
    expect(isToRevisit('b', false, { runs: '', logs: 'c' })).toBe(true)
    expect(isToRevisit('b', true, { runs: '', logs: 'c' })).toBe(false)
    expect(isToRevisit('b', true, { runs: 'b', logs: 'c' })).toBe(true)
    expect(isToRevisit('d', false, { runs: 'b', logs: 'c' })).toBe(false)
  })
})

describe('a step takes', () => {
  const runsOf = (...attempts: number[]) => attempts.map((attempt) => ({ attempt }))
  test('as many runs as have so many attempts together', () => {
    expect(firstUpTo(runsOf(1, 2, 3), 6)).toEqual(runsOf(1, 2, 3))
    expect(firstUpTo(runsOf(1, 2, 3, 1), 5)).toEqual(runsOf(1, 2))
    expect(firstUpTo([], 5)).toEqual([])
  })

  test('one run however many it has', () => {
    expect(firstUpTo(runsOf(9, 1), 5)).toEqual(runsOf(9))
  })
})
