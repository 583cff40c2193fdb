import { expect, it } from 'vitest'
import { formatRelative } from './format-relative'

const SATURDAY = Date.parse('2026-11-21T11:48:00Z')
const relative = (at: string, zone = 'Europe/Berlin', language = 'en'): string => formatRelative(Date.parse(at), SATURDAY, zone, language)

it('counts dates from a day on: Monday morning is not the tomorrow of Saturday noon', () => {
  expect(relative('2026-11-22T11:48:00Z')).toBe('tomorrow')
  expect(relative('2026-11-22T22:59:00Z')).toBe('tomorrow')
  expect(relative('2026-11-23T01:30:00Z')).toBe('in 2 days')
  expect(relative('2026-11-20T11:48:00Z')).toBe('yesterday')
  expect(relative('2026-11-19T23:30:00Z')).toBe('yesterday')
  expect(relative('2026-11-19T23:30:00Z', 'UTC')).toBe('2 days ago')
  expect(relative('2026-11-23T01:30:00Z', 'Europe/Berlin', 'zh')).toBe('后天')
})

it('says hours, minutes and seconds below that, never more than there are', () => {
  expect(relative('2026-11-22T11:47:00Z')).toBe('in 23 hr.')
  expect(relative('2026-11-21T12:47:59Z')).toBe('in 59 min.')
  expect(relative('2026-11-21T11:47:57Z')).toBe('3 sec. ago')
  expect(relative('2026-11-21T11:48:00.400Z')).toBe('now')
})
