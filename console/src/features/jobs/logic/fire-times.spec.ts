import { describe, expect, it } from 'vitest'
import { withClockChanges } from './fire-times'

const at = (iso: string): number => Date.parse(iso)

describe('fire times around a change of the clock', () => {
  it('are marked where summer time begins', () => {
    const times = [at('2027-03-27T01:30:00Z'), at('2027-03-28T01:00:00Z'), at('2027-03-29T00:30:00Z')]
    expect(withClockChanges(times, 'Europe/Berlin', at('2027-03-26T12:00:00Z'))).toEqual([
      { at: times[0] },
      { at: times[1], shift: { at: at('2027-03-28T01:00:00Z'), byMs: 3_600_000 } },
      { at: times[2] },
    ])
  })

  it('are marked where it ends, also between now and the first', () => {
    const first = at('2027-10-31T12:00:00Z')
    expect(withClockChanges([first], 'Europe/Berlin', at('2027-10-30T12:00:00Z'))).toEqual([
      { at: first, shift: { at: at('2027-10-31T01:00:00Z'), byMs: -3_600_000 } },
    ])
  })

  it('are not marked in a zone without summer time', () => {
    expect(withClockChanges([at('2027-03-28T12:00:00Z')], 'Asia/Shanghai', at('2027-03-01T00:00:00Z'))).toEqual([{ at: at('2027-03-28T12:00:00Z') }])
  })
})
