import { expect, test } from 'vitest'
import { idAt, InstanceIds } from './instance-id.js'

const NOW = Date.parse('2001-02-03T04:05:06.789Z')

test('an ID has the time that it is made for, whatever the clock of this machine says', () => {
  const id = new InstanceIds().next(NOW)
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(id > idAt(NOW) && id < idAt(NOW + 1)).toBe(true)
})

test('IDs sort in the order of their making, within a millisecond and when the clock is set back a little', () => {
  const ids = new InstanceIds()
  const made = [NOW, NOW, NOW, NOW - 5, NOW, NOW + 1, NOW + 1].flatMap((now) => Array.from({ length: 500 }, () => ids.next(now)))
  expect(made).toEqual(made.toSorted())
  expect(new Set(made).size).toBe(made.length)
})

test('an ID has the right time again after the clock was far ahead', () => {
  const ids = new InstanceIds()
  ids.next(NOW + 86_400_000)
  expect(ids.next(NOW) < idAt(NOW + 1)).toBe(true)
})
