import { describe, expect, it } from 'vitest'
import { cronProblem } from '@jobtrail/api/next-fire'
import { type CronPattern, expressionOf, patternFor, patternOf } from './cron-pattern'

const patterns: CronPattern[] = [
  { kind: 'seconds', every: 1 },
  { kind: 'seconds', every: 15 },
  { kind: 'minutes', every: 1 },
  { kind: 'minutes', every: 5 },
  { kind: 'hourly', every: 1, minute: 0 },
  { kind: 'hourly', every: 6, minute: 45 },
  { kind: 'daily', hour: 0, minute: 0 },
  { kind: 'weekly', weekdays: [1, 2, 3, 4, 5], hour: 9, minute: 30 },
  { kind: 'weekly', weekdays: [0, 6], hour: 23, minute: 5 },
  { kind: 'monthly', day: 31, hour: 4, minute: 0 },
  { kind: 'monthly', day: 'L', hour: 4, minute: 0 },
]

describe('the cron builder', () => {
  it('writes expressions that the server takes, and reads them back as the same pattern', () => {
    for (const pattern of patterns) {
      const expression = expressionOf(pattern) ?? ''
      expect(cronProblem(expression, 'UTC'), expression).toBeUndefined()
      expect(patternOf(expression)).toEqual(pattern)
    }
  })

  it.each(['0 9 * * mon', '0 9 * * 1', ' 0  9 * * MON '])('reads "%s" as a weekly pattern', (expression) => {
    expect(patternOf(expression)).toEqual({ kind: 'weekly', weekdays: [1], hour: 9, minute: 0 })
  })

  it('reads 7 as Sunday', () => {
    expect(patternOf('0 9 * * 5-7')).toEqual({ kind: 'weekly', weekdays: [0, 5, 6], hour: 9, minute: 0 })
  })

  it.each(['*/7 * * * *', '0 9 1 * MON', '0 9 * 2 *', '0 0 9 * * *', '0 9,10 * * *', '61 * * * *', '* 9 * * *', '', 'nonsense', '0 9 0 * *', '0 9 * * 5-1'])(
    'leaves "%s" to the free expression',
    (expression) => {
      expect(patternOf(expression)).toEqual({ kind: 'custom' })
    },
  )

  it('keeps the time of day when the kind changes', () => {
    expect(patternFor('weekly', { kind: 'daily', hour: 7, minute: 15 })).toMatchObject({ hour: 7, minute: 15 })
  })
})
