import { Cron } from 'croner'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cronProblem, fireTimesBetween, nextFireAfter, type TimedTrigger } from './next-fire.js'
import { offsetAt } from './time-zone.js'

const cron = (expression: string, timeZone = 'UTC'): TimedTrigger => ({ kind: 'cron', expression, timeZone })
const ms = (iso: string): number => Date.parse(iso)
const fires = (trigger: TimedTrigger, from: string, until: string, anchor = 0): string[] =>
  fireTimesBetween(trigger, ms(from), ms(until), anchor, 100).map((at) => new Date(at).toISOString().replace('.000Z', 'Z'))

describe('cron expressions', () => {
  it('have five fields, from the minute on', () => {
    expect(fires(cron('*/20 10 * * *'), '2027-01-01T00:00:00Z', '2027-01-02T00:00:00Z')).toEqual([
      '2027-01-01T10:00:00Z',
      '2027-01-01T10:20:00Z',
      '2027-01-01T10:40:00Z',
    ])
  })

  it('have six fields, from the second on', () => {
    expect(fires(cron('*/30 59 23 31 12 *'), '2027-01-01T00:00:00Z', '2028-01-01T00:00:00Z')).toEqual(['2027-12-31T23:59:00Z', '2027-12-31T23:59:30Z'])
  })

  it('fire strictly after the given time, whatever its milliseconds', () => {
    const everySecond = cron('* * * * * *')
    expect(nextFireAfter(everySecond, ms('2027-01-01T00:00:00.000Z'), 0)).toBe(ms('2027-01-01T00:00:01.000Z'))
    expect(nextFireAfter(everySecond, ms('2027-01-01T00:00:00.001Z'), 0)).toBe(ms('2027-01-01T00:00:01.000Z'))
    expect(nextFireAfter(everySecond, ms('2027-01-01T00:00:00.999Z'), 0)).toBe(ms('2027-01-01T00:00:01.000Z'))
  })

  it('know leap days', () => {
    expect(fires(cron('0 0 29 2 *'), '2027-01-01T00:00:00Z', '2037-01-01T00:00:00Z')).toEqual([
      '2028-02-29T00:00:00Z',
      '2032-02-29T00:00:00Z',
      '2036-02-29T00:00:00Z',
    ])
    expect(nextFireAfter(cron('0 0 29 2 *'), ms('2096-03-01T00:00:00Z'), 0)).toBe(ms('2104-02-29T00:00:00Z'))
  })

  it('know the ends of months', () => {
    expect(fires(cron('0 12 31 * *'), '2027-01-01T00:00:00Z', '2027-06-30T00:00:00Z')).toEqual([
      '2027-01-31T12:00:00Z',
      '2027-03-31T12:00:00Z',
      '2027-05-31T12:00:00Z',
    ])
    expect(fires(cron('0 12 L * *'), '2028-01-31T13:00:00Z', '2028-05-01T00:00:00Z')).toEqual([
      '2028-02-29T12:00:00Z',
      '2028-03-31T12:00:00Z',
      '2028-04-30T12:00:00Z',
    ])
  })

  it('are read in their time zone', () => {
    expect(fires(cron('0 9 * * *', 'Asia/Kolkata'), '2027-01-01T00:00:00Z', '2027-01-02T00:00:00Z')).toEqual(['2027-01-01T03:30:00Z'])
    expect(fires(cron('0 0 1 * *', 'Pacific/Kiritimati'), '2027-01-01T00:00:00Z', '2027-02-01T00:00:00Z')).toEqual(['2027-01-31T10:00:00Z'])
  })

  it.each([
    ['30 2 * *', 'UTC', 'expression', /has 4 fields/],
    ['0 0 30 2 *', 'UTC', 'expression', /never fires/],
    ['61 * * * *', 'UTC', 'expression', /^the field minute cannot be "61": write \*, or values of 0-59/],
    ['* * 32 * *', 'UTC', 'expression', /^the field day cannot be "32": write \*, or values of 1-31/],
    ['0 5-1 * * * *', 'UTC', 'expression', /^the field minute cannot be "5-1"/],
    ['nonsense a b c d', 'UTC', 'expression', /^the field minute cannot be "nonsense"/],
    ['* * * * *', 'Mars/Olympus', 'timeZone', /IANA/],
  ])('%s in %s is refused with the field and the reason', (expression, timeZone, field, message) => {
    expect(cronProblem(expression, timeZone)).toEqual({ field, message: expect.stringMatching(message) as string })
  })

  it('are accepted when right', () => {
    expect(cronProblem('*/5 * * * * *', 'Europe/Berlin')).toBeUndefined()
    expect(cronProblem('0 0 29 2 MON', 'America/New_York')).toBeUndefined()
  })
})

describe('where the clock is put forward', () => {
  // Europe/Berlin: 2027-03-28 02:00 +01:00 becomes 03:00 +02:00, at 01:00Z.
  it('a skipped time fires at the first moment after the gap', () => {
    expect(fires(cron('30 2 * * *', 'Europe/Berlin'), '2027-03-27T12:00:00Z', '2027-03-29T12:00:00Z')).toEqual(['2027-03-28T01:00:00Z', '2027-03-29T00:30:00Z'])
    expect(fires(cron('30 2 * * *', 'America/New_York'), '2027-03-13T12:00:00Z', '2027-03-15T12:00:00Z')).toEqual([
      '2027-03-14T07:00:00Z',
      '2027-03-15T06:30:00Z',
    ])
    expect(fires(cron('15 2 * * *', 'Australia/Lord_Howe'), '2027-10-02T00:00:00Z', '2027-10-04T00:00:00Z')).toEqual([
      '2027-10-02T15:30:00Z',
      '2027-10-03T15:15:00Z',
    ])
  })

  it('the skipped times of lists, ranges and steps fire too, together once', () => {
    expect(fires(cron('30 1,2 * * *', 'Europe/Berlin'), '2027-03-27T12:00:00Z', '2027-03-28T12:00:00Z')).toEqual([
      '2027-03-28T00:30:00Z',
      '2027-03-28T01:00:00Z',
    ])
    expect(fires(cron('*/15 2 * * *', 'Europe/Berlin'), '2027-03-27T12:00:00Z', '2027-03-28T12:00:00Z')).toEqual(['2027-03-28T01:00:00Z'])
    expect(fires(cron('0 */2 * * *', 'Europe/Berlin'), '2027-03-27T22:30:00Z', '2027-03-28T03:00:00Z')).toEqual([
      '2027-03-27T23:00:00Z',
      '2027-03-28T01:00:00Z',
      '2027-03-28T02:00:00Z',
    ])
  })

  it('a skipped time and one right after the gap are one', () => {
    expect(fires(cron('0 2,3 * * *', 'Europe/Berlin'), '2027-03-27T12:00:00Z', '2027-03-28T12:00:00Z')).toEqual(['2027-03-28T01:00:00Z'])
  })

  it('a gap that ends at midnight loses nothing', () => {
    // America/Nuuk: 2027-03-27 23:00 -02:00 becomes 03-28 00:00 -01:00.
    expect(fires(cron('30 23 * * *', 'America/Nuuk'), '2027-03-27T12:00:00Z', '2027-03-29T12:00:00Z')).toEqual(['2027-03-28T01:00:00Z', '2027-03-29T00:30:00Z'])
  })

  it('a job of every hour goes on by time elapsed', () => {
    expect(fires(cron('30 * * * *', 'Europe/Berlin'), '2027-03-27T23:00:00Z', '2027-03-28T02:00:00Z')).toEqual([
      '2027-03-27T23:30:00Z',
      '2027-03-28T00:30:00Z',
      '2027-03-28T01:30:00Z',
    ])
    expect(fires(cron('*/15 * * * *', 'Australia/Lord_Howe'), '2027-10-02T15:00:00Z', '2027-10-02T16:00:00Z')).toEqual([
      '2027-10-02T15:15:00Z',
      '2027-10-02T15:30:00Z',
      '2027-10-02T15:45:00Z',
      '2027-10-02T16:00:00Z',
    ])
  })
})

describe('where the clock is put back', () => {
  // Europe/Berlin: 2027-10-31 03:00 +02:00 becomes 02:00 +01:00, at 01:00Z.
  it('a repeated time fires the first time only', () => {
    expect(fires(cron('30 2 * * *', 'Europe/Berlin'), '2027-10-30T12:00:00Z', '2027-11-01T12:00:00Z')).toEqual(['2027-10-31T00:30:00Z', '2027-11-01T01:30:00Z'])
    expect(fires(cron('30 1 * * *', 'America/New_York'), '2027-11-06T12:00:00Z', '2027-11-08T12:00:00Z')).toEqual([
      '2027-11-07T05:30:00Z',
      '2027-11-08T06:30:00Z',
    ])
    expect(fires(cron('45 1 * * *', 'Australia/Lord_Howe'), '2027-04-02T20:00:00Z', '2027-04-04T20:00:00Z')).toEqual([
      '2027-04-03T14:45:00Z',
      '2027-04-04T15:15:00Z',
    ])
  })

  it('so it is for lists, ranges and steps', () => {
    expect(fires(cron('30 1,2 * * *', 'Europe/Berlin'), '2027-10-30T12:00:00Z', '2027-10-31T12:00:00Z')).toEqual([
      '2027-10-30T23:30:00Z',
      '2027-10-31T00:30:00Z',
    ])
    expect(fires(cron('*/30 2 * * *', 'Europe/Berlin'), '2027-10-30T12:00:00Z', '2027-10-31T12:00:00Z')).toEqual([
      '2027-10-31T00:00:00Z',
      '2027-10-31T00:30:00Z',
    ])
  })

  it('asked in the second pass, a job of certain hours waits for its next time', () => {
    expect(nextFireAfter(cron('45 2,3 * * *', 'Europe/Berlin'), ms('2027-10-31T01:10:00Z'), 0)).toBe(ms('2027-10-31T02:45:00Z'))
  })

  it('a job of every hour fires in both passes', () => {
    expect(fires(cron('0 * * * *', 'Europe/Berlin'), '2027-10-30T23:30:00Z', '2027-10-31T02:00:00Z')).toEqual([
      '2027-10-31T00:00:00Z',
      '2027-10-31T01:00:00Z',
      '2027-10-31T02:00:00Z',
    ])
    expect(fires(cron('*/15 * * * *', 'Australia/Lord_Howe'), '2027-04-03T14:30:00Z', '2027-04-03T15:30:00Z')).toEqual([
      '2027-04-03T14:45:00Z',
      '2027-04-03T15:00:00Z',
      '2027-04-03T15:15:00Z',
      '2027-04-03T15:30:00Z',
    ])
  })
})

describe('intervals', () => {
  const everyMinute: TimedTrigger = { kind: 'interval', everyMs: 60_000 }

  it('count from their anchor', () => {
    expect(nextFireAfter(everyMinute, 1_000, 1_000)).toBe(61_000)
    expect(nextFireAfter(everyMinute, 60_999, 1_000)).toBe(61_000)
    expect(nextFireAfter(everyMinute, 61_000, 1_000)).toBe(121_000)
  })

  it('first fire at startAt, and count from it', () => {
    const trigger: TimedTrigger = { ...everyMinute, startAt: '2027-01-01T01:00:30+01:00' }
    expect(fires(trigger, '2026-12-31T00:00:00Z', '2027-01-01T00:02:00Z')).toEqual(['2027-01-01T00:00:30Z', '2027-01-01T00:01:30Z'])
    expect(nextFireAfter(trigger, ms('2027-01-01T00:00:29.999Z'), 0)).toBe(ms('2027-01-01T00:00:30Z'))
  })

  it('never drift, however late they are asked', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 10 ** 9 }),
        fc.integer({ min: 0, max: 10 ** 12 }),
        fc.integer({ min: 0, max: 10 ** 12 }),
        (everyMs, anchor, late) => {
          const next = nextFireAfter({ kind: 'interval', everyMs }, anchor + late, anchor)
          expect(next).toBeDefined()
          if (next === undefined) return
          expect((next - anchor) % everyMs).toBe(0)
          expect(next).toBeGreaterThan(anchor + late)
          expect(next - everyMs).toBeLessThanOrEqual(anchor + late)
        },
      ),
    )
  })
})

describe('once and manual', () => {
  it('once fires at its time, and not after', () => {
    const once: TimedTrigger = { kind: 'once', at: '2027-01-01T00:00:00.000Z' }
    expect(nextFireAfter(once, ms('2026-12-31T23:59:59.999Z'), 0)).toBe(ms('2027-01-01T00:00:00Z'))
    expect(nextFireAfter(once, ms('2027-01-01T00:00:00Z'), 0)).toBeUndefined()
  })

  it('manual never fires', () => {
    expect(nextFireAfter({ kind: 'manual' }, 0, 0)).toBeUndefined()
  })
})

describe('properties', () => {
  const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'America/Nuuk', 'Asia/Kolkata', 'Africa/Casablanca', 'America/Santiago']
  const field = (max: number): fc.Arbitrary<string> =>
    fc.oneof(
      fc.constant('*'),
      fc.integer({ min: 2, max: Math.max(2, Math.floor(max / 2)) }).map((step) => `*/${step}`),
      fc.uniqueArray(fc.integer({ min: 0, max }), { minLength: 1, maxLength: 4 }).map((list) => list.join(',')),
    )
  const anyCron = fc.record({ minute: field(59), hour: field(23), weekday: fc.constantFrom('*', '*', '0', '6,0'), zone: fc.constantFrom(...zones) })
  /** Starts around the changes of 2027 of these zones, and anywhere. */
  const anyStart = fc.oneof(
    fc
      .constantFrom('2027-03-13', '2027-03-27', '2027-04-03', '2027-09-04', '2027-10-02', '2027-10-30', '2027-11-06')
      .chain((day) => fc.integer({ min: -3_600, max: 100_000 }).map((s) => ms(day) + s * 1_000)),
    fc.integer({ min: ms('2026-01-01') / 1_000, max: ms('2036-01-01') / 1_000 }).map((s) => s * 1_000),
  )

  it('fire times only increase, and are what asking one by one gives', () => {
    fc.assert(
      fc.property(anyCron, anyStart, ({ minute, hour, weekday, zone }, start) => {
        const trigger = cron(`${minute} ${hour} * * ${weekday}`, zone)
        const times = fireTimesBetween(trigger, start, start + 2 * 86_400_000, 0, 60)
        let previous = start
        for (const at of times) {
          expect(at).toBeGreaterThan(previous)
          expect(nextFireAfter(trigger, previous, 0)).toBe(at)
          // Where one starts to ask does not matter.
          expect(nextFireAfter(trigger, at - 1, 0)).toBe(at)
          previous = at
        }
      }),
      { numRuns: 80 },
    )
  })

  it('sees two changes of the offset within a week, which cancel out', () => {
    // In October 2040 Gaza puts the clock forward after Ramadan and back for winter, exactly seven days apart.
    const after = Date.parse('2040-10-19T12:00:00.000Z')
    expect(fireTimesBetween(cron('30 1 * * 6', 'Asia/Gaza'), after, after + 14 * 86_400_000, 0, 3).map((at) => new Date(at).toISOString())).toEqual([
      '2040-10-19T23:30:00.000Z',
      '2040-10-26T22:30:00.000Z',
    ])
  })

  it('in each zone, two days hold each time of the wall clock as the rules say', () => {
    fc.assert(
      fc.property(anyCron, anyStart, ({ minute, hour, weekday, zone }, start) => {
        const expression = `${minute} ${hour} * * ${weekday}`
        expect(fireTimesBetween(cron(expression, zone), start, start + 2 * 86_400_000, 0, 5_000)).toEqual(
          oracle(expression, zone, start, start + 2 * 86_400_000),
        )
      }),
      { numRuns: 30 },
    )
  })

  /** Looks at each minute: slow, and written another way. */
  function oracle(expression: string, zone: string, after: number, until: number): number[] {
    const pattern = new Cron(expression, { utcOffset: 0, paused: true })
    const matches = (wall: number): boolean => pattern.match(new Date(wall))
    const isEveryHour = expression.split(' ')[1] === '*'
    const times = new Set<number>()
    const seen = new Set<number>()
    const first = Math.ceil((after - 86_400_000) / 60_000) * 60_000
    let expectedWall = first + offsetAt(zone, first)
    for (let at = first; at <= until; at += 60_000) {
      const wall = at + offsetAt(zone, at)
      if (isEveryHour) {
        if (matches(wall)) times.add(at)
        continue
      }
      for (let skipped = expectedWall; skipped < wall; skipped += 60_000) if (matches(skipped)) times.add(at)
      if (matches(wall) && !seen.has(wall)) times.add(at)
      seen.add(wall)
      expectedWall = Math.max(expectedWall, wall + 60_000)
    }
    return [...times].filter((at) => at > after)
  }
})
