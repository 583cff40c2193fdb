import { describe, expect, test } from 'vitest'
import { DAY_MS, dueOf, isToRevisit } from './due.js'

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
  const both = { runsDays: 90, logsDays: 30 }
  test('until a walk that is yet to come takes care of it', () => {
    expect(isToRevisit('b', false, both, { runs: '', logs: 'c' })).toBe(true)
    expect(isToRevisit('b', true, both, { runs: '', logs: 'c' })).toBe(false)
    expect(isToRevisit('b', true, both, { runs: 'b', logs: 'c' })).toBe(true)
    expect(isToRevisit('d', false, both, { runs: 'b', logs: 'c' })).toBe(false)
  })

  test('only for what is to be removed at all', () => {
    expect(isToRevisit('b', false, { runsDays: null, logsDays: 30 }, { runs: 'c', logs: '' })).toBe(false)
    expect(isToRevisit('b', false, { runsDays: 90, logsDays: null }, { runs: '', logs: 'c' })).toBe(false)
  })
})
