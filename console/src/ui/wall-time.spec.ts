import { describe, expect, it } from 'vitest'
import { isoOfWallTime, wallTimeOf } from './wall-time'

const BERLIN = 'Europe/Berlin'

describe('the wall-clock time of a zone', () => {
  it.each([
    ['2026-11-21T07:30:00.000Z', 'UTC', '2026-11-21T07:30:00.000'],
    ['2026-11-21T07:30:00.000Z', BERLIN, '2026-11-21T08:30:00.000'],
    ['2026-07-21T07:30:00.000Z', BERLIN, '2026-07-21T09:30:00.000'],
    ['2026-11-21T20:00:00.000Z', 'Asia/Shanghai', '2026-11-22T04:00:00.000'],
    ['2026-11-21T20:00:00.123Z', 'America/St_Johns', '2026-11-21T16:30:00.123'],
  ])('%s in %s is %s, and back', (iso, zone, wall) => {
    expect(wallTimeOf(iso, zone)).toBe(wall)
    expect(isoOfWallTime(wall, zone)).toBe(iso)
  })

  it('that is shown twice means the first', () => {
    expect(wallTimeOf('2026-10-25T01:30:00.000Z', BERLIN)).toBe('2026-10-25T02:30:00.000')
    expect(isoOfWallTime('2026-10-25T02:30:00.000', BERLIN)).toBe('2026-10-25T00:30:00.000Z')
  })

  it('that is left out means as long after the change', () => {
    expect(isoOfWallTime('2026-03-29T02:30:00.000', BERLIN)).toBe('2026-03-29T01:30:00.000Z')
  })
})
